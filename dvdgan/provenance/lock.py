"""dvdgan/numerics.json: the fingerprint of the code behind every stage, which dvc.yaml depends on.

`python -m dvdgan.provenance` writes it. An edit that can move a number of a stage changes its line
there, and makes the stage stale; a comment, a docstring or a message does not.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from dvdgan.errors import UserError
from dvdgan.provenance.modules import PACKAGE, code_of_stage, stages
from dvdgan.provenance.source import digest
from dvdgan.storage.local import read_json, write_json

LOCK = "numerics.json"
COMMAND = "python -m dvdgan.provenance"

Lock = dict[str, dict[str, str]]


def fingerprint_of(code: Mapping[str, str]) -> str:
    """16 hex digits of ``code`` (source by file) that only what can move a number changes."""
    lines = [f"{file} {_digest(file, source)}\n" for file, source in sorted(code.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def lock_of(package: Path = PACKAGE) -> Lock:
    """The contents of numerics.json: `stages`, and `files` that show which one moved them."""
    code = {stage: code_of_stage(stage, package) for stage in stages(package)}
    files = {file: _digest(file, text) for each in code.values() for file, text in each.items()}
    return {"stages": {name: fingerprint_of(each) for name, each in code.items()}, "files": files}


def write_lock(package: Path = PACKAGE) -> list[str]:
    """Write numerics.json; returns the stages whose code changed."""
    before, now = _read(package), lock_of(package)
    if now != before:
        write_json(package / LOCK, now)
    return _changed(before, now)


def refuse_outdated_lock(package: Path = PACKAGE) -> None:
    """Raise UserError naming the stages whose code differs from numerics.json."""
    changed = _changed(_read(package), lock_of(package))
    if changed:
        raise UserError(
            f"the code behind {', '.join(changed)} changed, but numerics.json did not",
            where=str(package / LOCK),
            todo=f"run `{COMMAND}` and commit that file; `dvc repro` then reruns the stale stages",
        )


def _changed(before: Lock, now: Lock) -> list[str]:
    return [name for name, found in now["stages"].items() if before["stages"].get(name) != found]


def _read(package: Path) -> Lock:
    path = package / LOCK
    if not path.is_file():
        return {"stages": {}, "files": {}}
    try:
        lock: Lock = read_json(path)
        return {"stages": dict(lock["stages"]), "files": dict(lock["files"])}
    except (ValueError, LookupError, TypeError) as error:  # conflict marks of a merge, for instance
        raise UserError(
            f"{path} cannot be read: {error}", todo=f"delete it and run `{COMMAND}`"
        ) from error


def _digest(file: str, source: str) -> str:
    if file.endswith(".py"):
        return digest(source)
    return hashlib.sha256(source.encode()).hexdigest()[:16]
