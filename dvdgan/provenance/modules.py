"""The modules whose code moves the numbers of a stage, found by following its imports."""

from pathlib import Path

import dvdgan
from dvdgan.provenance.source import imports

PACKAGE = Path(dvdgan.__file__).parent

# Files and folders (with a slash at the end) that move no number; nor does what they import.
WITHOUT_INFLUENCE = (
    "__init__.py",  # the version
    "errors.py",  # messages
    "progress.py",
    "yaml_file.py",
    "yaml_problems.py",
    "cli/",
    "config/",  # reads and checks params, which are compared by value
    "guard/",  # processes, locks, backups; its decisions are in a run's ledger
    "machine/",  # devices, places, processes
    "provenance/",
    "storage/",  # writes files whole, moves bytes
    "stages/artefacts.py",  # paths
    "data/shard_upload.py",  # copies what is written
    "data/workers.py",
    "training/stop_request.py",  # signals
    "training/trackers.py",
)

# The file a stage's numbers come from, where it is not its own in dvdgan/stages. Training is a
# process of its own; evaluations and verdicts of its checkpoints stay in the ledger as they were.
BEGINNINGS = {"train": "training/__main__.py"}


def stages(package: Path = PACKAGE) -> list[str]:
    """Names of all stages."""
    names = [path.relative_to(package).as_posix() for path in (package / "stages").glob("*.py")]
    return sorted(Path(name).stem for name in names if _has_influence(name) and "__" not in name)


def code_of_stage(stage: str, package: Path = PACKAGE) -> dict[str, str]:
    """See `code_behind`: of what moves the numbers of ``stage``, or the page of `report`."""
    code = code_behind(BEGINNINGS.get(stage, f"stages/{stage}.py"), package=package)
    return code | (_templates(package) if stage == "report" else {})


def code_behind(*files: str, package: Path = PACKAGE) -> dict[str, str]:
    """Source by file, both relative to ``package``: of ``files`` and of all they import from it.

    Imports inside functions count, those for type checkers do not, and what is WITHOUT_INFLUENCE is
    left out, except in ``files``.
    """
    found: dict[str, str] = {}
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        if file not in found:
            found[file] = (package / file).read_text(encoding="utf-8")
            waiting += filter(_has_influence, _imported(found[file], package))
    return dict(sorted(found.items()))


def _templates(package: Path) -> dict[str, str]:
    """What `report` fills in."""
    folder = package / "reporting"
    files = sorted(file for kind in ("j2", "css", "js") for file in folder.rglob(f"*.{kind}"))
    return {
        file.relative_to(package).as_posix(): file.read_text(encoding="utf-8") for file in files
    }


def _has_influence(file: str) -> bool:
    return not any(file == each or file.startswith(each) for each in WITHOUT_INFLUENCE)


def _imported(source: str, package: Path) -> list[str]:
    """The files of ``package`` that a module with ``source`` imports."""
    found = set()
    for name in imports(source):
        if not name.startswith("dvdgan."):
            continue
        path = package.joinpath(*name.split(".")[1:])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                found.add(file.relative_to(package).as_posix())
    return sorted(found)
