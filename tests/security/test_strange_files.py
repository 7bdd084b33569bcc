"""A file from a stranger runs no code, takes little memory, and is read or refused with words."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]
FOLDERS = (".", "security", "training", "video")
MOST_MIB = 400
KINDS = 15


def watched(folder: Path, count: int) -> list[dict[str, Any]]:
    """What came of ``count`` damaged files of each kind: see watched.py."""
    paths = os.pathsep.join(str(TESTS / name) for name in FOLDERS)
    done = subprocess.run(
        [sys.executable, str(TESTS / "security" / "watched.py"), str(folder), str(count)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # A negative code would be a signal: a decoder or an allocator that died.
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"case"')]


def check(results: list[dict[str, Any]], count: int) -> None:
    assert len(results) == KINDS
    for each in results:
        case = each["case"]
        assert each["failures"] == [], case
        assert each["caught"] == [], case
        assert each["mebibytes"] < MOST_MIB, case
        assert each["accepted"] + each["refused"] == count, case
        assert each["refused"] > count / 3, case


def test_forty_damaged_files_of_each_kind(tmp_path: Path) -> None:
    check(watched(tmp_path / "files", 40), 40)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_thousand_damaged_files_of_each_kind(tmp_path: Path) -> None:
    check(watched(tmp_path / "files", 1000), 1000)


def test_the_watch_sees_code_that_runs(tmp_path: Path) -> None:
    """Else the tests above would pass for any loader."""
    code = (
        "import pickle, sys, watched, os\n"
        "sys.addaudithook(watched.watch)\n"
        "class Bomb:\n"
        "    def __reduce__(self): return os.system, ('true',)\n"
        "made = pickle.dumps(Bomb())\n"
        "watched.watching = True\n"
        "pickle.loads(made)\n"
        "exec(compile('1', 'foreign', 'exec'))\n"
        "watched.watching = False\n"
        "print(len(watched.caught), *watched.caught)\n"
    )
    paths = os.pathsep.join(str(TESTS / name) for name in FOLDERS)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    for event in ("pickle.find_class", "os.system", "exec of foreign"):
        assert event in done.stdout
