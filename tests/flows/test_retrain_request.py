"""A request to train with other params: what it asks for, and the copy it runs in."""

import shutil
from pathlib import Path

import pytest

from dvdgan.config import load_config
from dvdgan.errors import UserError
from flows.retrain import requested, retrain
from flows.tree_copy import copy_tree

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A work tree with params, two presets, code, and a folder of videos."""
    shutil.copytree(PROJECT / "presets", tmp_path / "presets")
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copyfile(PROJECT / name, tmp_path / name)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    shutil.copyfile(PROJECT / "presets/demo.yaml", tmp_path / "params.yaml")
    (tmp_path / "data/synthetic/circle").mkdir(parents=True)
    for name in ("dvdgan", "flows"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.py").write_text("before = 1\n")
    return tmp_path


def test_only_what_is_asked_for_changes(folder: Path) -> None:
    now = load_config(folder / "params.yaml")
    assert requested(folder, "", 0, -1, "") == now
    asked = requested(folder, "", 600, 7, "data/more")
    assert (asked.train.steps, asked.train.seed, asked.index.root) == (600, 7, "data/more")
    train = asked.train.model_copy(update={"steps": now.train.steps, "seed": now.train.seed})
    assert train == now.train


def test_a_preset_is_taken_by_its_name(folder: Path) -> None:
    preset = load_config(PROJECT / "presets/moving_shapes.yaml")
    assert requested(folder, "moving_shapes", 0, -1, "") == preset
    with pytest.raises(UserError, match="no preset 'moving_shape'") as caught:
        requested(folder, "moving_shape", 0, -1, "")
    assert "did you mean moving_shapes?" in str(caught.value)


def test_the_form_explains_itself() -> None:
    schema = retrain.parameters.model_dump()["properties"]
    assert all(each["description"] for each in schema.values())
    assert {each["type"] for each in schema.values()} == {"integer", "string"}


@pytest.mark.parametrize(("steps", "seed"), [(-1, -1), (0, -2), (0, 2**32)])
def test_impossible_numbers_are_refused(folder: Path, steps: int, seed: int) -> None:
    with pytest.raises(UserError, match=r"train\.(steps|seed)"):
        requested(folder, "", steps, seed, "")


def test_the_copy_shares_the_cache_and_sees_the_videos(folder: Path) -> None:
    config = requested(folder, "", 0, 7, "")
    tree = copy_tree(folder, config)
    assert tree.parent == folder / ".runs/retrain"
    assert load_config(tree / "params.yaml") == config
    assert str(folder / ".dvc/cache") in (tree / ".dvc/config.local").read_text()
    assert (tree / "data/synthetic").resolve() == folder / "data/synthetic"
    assert load_config(folder / "params.yaml").train.seed == 0


def test_a_request_made_again_finds_its_copy_and_the_code_of_now(folder: Path) -> None:
    config = requested(folder, "", 0, 7, "")
    tree = copy_tree(folder, config)
    (tree / "dvc.lock").write_text("what was done\n")
    (folder / "dvc.lock").write_text("what the work tree did\n")
    (folder / "dvdgan/code.py").write_text("after = 1\n")
    assert copy_tree(folder, config) == tree
    assert (tree / "dvc.lock").read_text() == "what was done\n"
    assert (tree / "dvdgan/code.py").read_text() == "after = 1\n"
    assert copy_tree(folder, requested(folder, "", 0, 8, "")) != tree


def test_a_copy_that_breaks_off_leaves_no_half_of_what_is_known(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed = folder / ".runs/index"
    probed.mkdir(parents=True)
    for name in ("a", "b"):
        (probed / name).write_text("probed")
    config = requested(folder, "", 0, 7, "")

    def break_off(source: Path, target: Path, **_: object) -> None:
        (target / "half").write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "copytree", break_off)
        copy_tree(folder, config)
    (tree,) = (folder / ".runs/retrain").iterdir()
    assert list(tree.iterdir()) == []
    assert copy_tree(folder, config) == tree
    assert sorted(path.name for path in (tree / ".runs/index").iterdir()) == ["a", "b"]


@pytest.mark.parametrize("name", ["dvdgan/code.py", "flows/mine.py", "params.yaml"])
def test_a_copy_that_somebody_works_in_is_left_alone(folder: Path, name: str) -> None:
    config = requested(folder, "", 0, 7, "")
    tree = copy_tree(folder, config)
    edited = (tree / "params.yaml").read_text().replace('"seed": 7', '"seed": 9')
    (tree / name).write_text(edited)
    (folder / "dvdgan/code.py").write_text("after = 1\n")
    with pytest.raises(UserError, match="changed since"):
        copy_tree(folder, config)
    assert (tree / name).read_text() == edited
