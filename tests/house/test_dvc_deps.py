"""dvc.yaml names the code of every stage: an edit that can move its outputs reruns it."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

PROJECT = Path(__file__).resolve().parents[2]
STAGES = YAML(typ="safe").load((PROJECT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

# They move no number: messages, progress lines, writing files whole, reading params (which DVC
# compares by value), and the guard, of which stages other than train use names and hashes only.
NO_INFLUENCE = (
    "dvdgan/__init__.py",
    "dvdgan/errors.py",
    "dvdgan/progress.py",
    "dvdgan/config/",
    "dvdgan/storage/",
    "dvdgan/stages/artefacts.py",
    "dvdgan/guard/",
)


def imported(module: Path) -> set[Path]:
    """The project files that ``module`` imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            path = PROJECT / f"{name.replace('.', '/')}.py"
            if name.startswith("dvdgan") and path.is_file():
                found.add(path)
    return found


def closure(module: Path) -> set[str]:
    """Everything ``module`` imports, directly or not, and itself; paths relative to the project.

    What has no influence has none by what it imports either.
    """
    seen, waiting = {module}, [module]
    while waiting:
        for path in imported(waiting.pop()) - seen:
            seen.add(path)
            if not path.relative_to(PROJECT).as_posix().startswith(NO_INFLUENCE):
                waiting.append(path)
    return {path.relative_to(PROJECT).as_posix() for path in seen}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_it_runs(stage: str) -> None:
    deps = [dep for dep in STAGES[stage]["deps"] if dep.startswith("dvdgan/")]
    missing = [
        path
        for path in closure(PROJECT / "dvdgan" / "stages" / f"{stage}.py")
        if not path.startswith(NO_INFLUENCE)
        and not any(path == dep or path.startswith(f"{dep}/") for dep in deps)
    ]
    assert sorted(missing) == []


@pytest.mark.parametrize("stage", STAGES)
def test_every_code_dep_exists(stage: str) -> None:
    deps = [dep for dep in STAGES[stage]["deps"] if dep.startswith("dvdgan/")]
    assert [dep for dep in deps if not (PROJECT / dep).exists()] == []
