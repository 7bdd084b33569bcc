"""numerics.json on a copy of the package: which edits make which stages stale."""

import shutil
from pathlib import Path

import pytest

from dvdgan.errors import UserError
from dvdgan.provenance.lock import LOCK, lock_of, refuse_outdated_lock, write_lock
from dvdgan.provenance.modules import PACKAGE, code_of_stage
from dvdgan.storage.local import read_json


@pytest.fixture
def package(tmp_path: Path) -> Path:
    copy = tmp_path / "dvdgan"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    write_lock(copy)
    return copy


def edit(package: Path, file: str, text: str, instead: str) -> None:
    path = package / file
    source = path.read_text(encoding="utf-8")
    assert text in source
    path.write_text(source.replace(text, instead), encoding="utf-8")


def test_comments_and_docstrings_make_nothing_stale(package: Path) -> None:
    before = (package / LOCK).read_bytes()
    for path in package.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        path.write_text(source.replace('"""', '"""Edited. ', 1) + "\n# edited\n", encoding="utf-8")
    assert write_lock(package) == []
    assert (package / LOCK).read_bytes() == before


@pytest.mark.parametrize(
    ("file", "text", "instead"),
    [
        ("guard/supervisor.py", "the rollback was declined", "nobody approved the rollback"),
        ("guard/trainer_process.py", "STOP_GRACE_SECONDS = 120.0", "STOP_GRACE_SECONDS = 60.0"),
        ("training/trackers.py", "import", "import sys\nimport"),
        ("progress.py", "import", "import sys\nimport"),
        ("data/loader.py", "a loader process died", "a loader process has ended"),
        ("data/synthetic.py", "np", "numpy"),
    ],
)
def test_neither_do_messages_and_what_moves_no_number(
    package: Path, file: str, text: str, instead: str
) -> None:
    edit(package, file, text, instead)
    assert write_lock(package) == []


@pytest.mark.parametrize(
    ("file", "text", "instead", "stale"),
    [
        # Networks, evaluation, video, the page, and what is a stage's alone.
        (
            "models/residual.py",
            "avg_pool2d(x, 2)",
            "avg_pool2d(x, 1)",
            "train export evaluate report",
        ),
        ("evaluation/frechet.py", "float64", "float32", "evaluate"),
        ("video/image.py", "return", "return 1 and", "features reference train evaluate report"),
        ("reporting/page.html.j2", "<title>", "<title>A ", "report"),
        ("training/__main__.py", "runtime.world_size *", "2 * runtime.world_size *", "train"),
        ("stages/shard.py", "[part - 1 :: parts]", "[part::parts]", "shard"),
        ("data/splits.py", "return", "return 1 and", "index"),
    ],
)
def test_a_constant_makes_the_stages_stale_that_use_it(
    package: Path, file: str, text: str, instead: str, stale: str
) -> None:
    edit(package, file, text, instead)
    with pytest.raises(UserError) as refused:
        refuse_outdated_lock(package)
    changed = write_lock(package)
    assert set(stale.split()) <= set(changed)
    assert ("index" in changed) is (stale == "index")
    assert f"the code behind {', '.join(changed)} changed" in str(refused.value)
    assert "python -m dvdgan.provenance" in str(refused.value)
    refuse_outdated_lock(package)


def test_only_type_checkers_import_for_types(package: Path) -> None:
    edit(
        package,
        "training/ema.py",
        "from torch import nn\n",
        "from typing import TYPE_CHECKING\n\nfrom torch import nn\n\n"
        "if TYPE_CHECKING:\n    from dvdgan.video.decode import probe\n",
    )
    assert "video/decode.py" not in code_of_stage("train", package)
    assert "export/bundle.py" in code_of_stage("evaluate", package)  # imported in a function


def test_a_merge_conflict_in_the_file_is_named(package: Path) -> None:
    (package / LOCK).write_text("<<<<<<< HEAD\n{}\n", encoding="utf-8")
    with pytest.raises(UserError, match="delete it and run"):
        refuse_outdated_lock(package)
    (package / LOCK).unlink()
    assert len(write_lock(package)) == len(read_json(package / LOCK)["stages"])
    assert read_json(package / LOCK) == lock_of(package)
