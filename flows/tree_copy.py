"""A copy of the work tree in which a pipeline runs with other params."""

import shutil
from pathlib import Path
from typing import Any

from dvdgan.config import Config, fingerprint, load_config
from dvdgan.errors import UserError
from dvdgan.storage.local import atomic_directory, link_or_copy, write_bytes, write_json
from dvdgan.storage.output import RECORD, check_output_folder, output_folder
from flows.graph import cache_folder

COPIES = Path(".runs/retrain")
PROBED = Path(".runs/index")

# What the stages are made of. Data are linked, artefacts come out of DVC's cache.
CODE = ("dvdgan", "flows")
FILES = ("dvc.yaml", "dvc.lock", ".dvcignore", ".dvc/config")


def copy_tree(folder: Path, config: Config) -> Path:
    """The copy of the work tree ``folder`` for ``config``, made or brought up to date.

    The same params give the same copy, so that a repeated request resumes. The copy shares DVC's
    cache. Raises UserError if the copy's code or params were edited.
    """
    target = folder / COPIES / fingerprint(config)
    params = config.model_dump()
    _refuse_edited(target, params)
    for name in CODE:
        with output_folder(target / name) as aside:
            ignored = shutil.ignore_patterns("__pycache__", RECORD)
            shutil.copytree(folder / name, aside, ignore=ignored, dirs_exist_ok=True)
    for name in FILES:
        # A lock file of its own holds more than the one it started from.
        if (folder / name).exists() and not (name == "dvc.lock" and (target / name).exists()):
            write_bytes(target / name, (folder / name).read_bytes())
    _link_new(folder / "weights", target / "weights")
    if (folder / PROBED).is_dir() and not (target / PROBED).exists():
        _copy(folder / PROBED, target / PROBED)  # what is known need not be probed again
    root = Path(config.index.root)
    if not root.is_absolute():
        (target / root).parent.mkdir(parents=True, exist_ok=True)
        if not (target / root).is_symlink():
            (target / root).symlink_to((folder / root).resolve())
    # No git: the copy is in a folder that git ignores.
    shared = f"[core]\n    no_scm = true\n[cache]\n    dir = {cache_folder(str(folder))}\n"
    write_bytes(target / ".dvc/config.local", shared.encode())
    write_json(target / "params.yaml", params)  # YAML holds all of JSON
    return target


def _copy(source: Path, target: Path) -> None:
    with atomic_directory(target) as aside:
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, aside, ignore=skipped, dirs_exist_ok=True)


def _refuse_edited(target: Path, params: dict[str, Any]) -> None:
    """Raise UserError if the copy was edited, because its code and params would be replaced."""
    for name in CODE:
        check_output_folder(target / name)
    mine = target / "params.yaml"
    if mine.exists() and load_config(mine).model_dump() != params:
        raise UserError(
            "the params of this copy were changed since it was made",
            where=str(mine),
            todo="set them in the request, or move the copy away",
        )


def _link_new(source: Path, target: Path) -> None:
    """Hard-link the files of ``source`` that ``target`` lacks."""
    for path in source.rglob("*") if source.is_dir() else ():
        there = target / path.relative_to(source)
        if path.is_file() and not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(str(path), str(there))
