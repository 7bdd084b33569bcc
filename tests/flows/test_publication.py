"""Publishing replaces what it published, and nothing that somebody else put there or changed."""

from pathlib import Path

import pytest

from dvdgan.errors import UserError
from dvdgan.storage.folder import FolderStore
from dvdgan.storage.local import read_json
from flows.publication import check_publication, publish_bundle

NAME = "abc-step-00000020"
FOUND = {"at": "2026-01-02T03:04:05+00:00", "run": "abc", "step": 20, "metrics": {"FVD": 100.0}}


class CutOffError(Exception):
    """Stands for a machine that goes away."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree with a bundle and its report."""
    for name in ("model/config.json", "model/README.md", "report/index.html"):
        path = tmp_path / "tree" / "artifacts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"first {name}")
    return tmp_path / "tree"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "thesis.tex").write_text("years")
    return FolderStore(tmp_path / "published")


def contents(store: FolderStore) -> dict[str, bytes]:
    return {key: store.read_bytes(key) for key in store.keys()}  # noqa: SIM118


def test_what_was_published_is_published_again(store: FolderStore, tree: Path) -> None:
    publish_bundle(store, NAME, tree, FOUND)
    first = contents(store)
    publish_bundle(store, NAME, tree, FOUND)
    assert contents(store) == first
    (tree / "artifacts/model/README.md").write_text("of the next version")
    publish_bundle(store, NAME, tree, FOUND | {"step": 20, "at": "later"})
    assert store.read_bytes(f"{NAME}/model/README.md") == b"of the next version"
    assert read_json(store.root / "newest.json")["at"] == "later"
    assert store.read_bytes("thesis.tex") == b"years"


@pytest.mark.parametrize(
    "name",
    [
        f"{NAME}/notes.md",
        f"{NAME}/model/README.md",
        f"{NAME}/evaluation.json",
        "newest.json",
    ],
)
@pytest.mark.parametrize("published", [True, False])
def test_files_of_others_are_named_and_kept(
    store: FolderStore, tree: Path, name: str, published: bool
) -> None:
    if published:
        publish_bundle(store, NAME, tree, FOUND)
    store.write_bytes(name, b"{}")
    before = contents(store)
    for attempt in (
        lambda: check_publication(store, NAME),
        lambda: publish_bundle(store, NAME, tree, FOUND),
    ):
        with pytest.raises(UserError, match=f"changed since: {name}\n"):
            attempt()
    assert contents(store) == before


def test_a_publication_that_was_cut_short_goes_on(
    store: FolderStore, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_bundle(store, NAME, tree, FOUND)
    for path in (tree / "artifacts").rglob("*.*"):
        path.write_text("second")
    put = FolderStore.put

    def cut(self: FolderStore, source: Path, key: str) -> None:
        if "README" in key:
            raise CutOffError
        put(self, source, key)

    monkeypatch.setattr(FolderStore, "put", cut)
    with pytest.raises(CutOffError):
        publish_bundle(store, NAME, tree, FOUND)
    monkeypatch.setattr(FolderStore, "put", put)
    publish_bundle(store, NAME, tree, FOUND)
    assert store.read_bytes(f"{NAME}/model/README.md") == b"second"
