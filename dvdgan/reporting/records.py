"""Read what the stages left behind: lines of JSON, the refused table, the machine."""

import csv
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

Record = dict[str, Any]

PACKAGES = ("dvdgan", "torch", "numpy", "accelerate", "webdataset", "av", "evidently", "prefect")


def read_records(path: Path) -> list[Record]:
    """The objects of a JSON-lines file, in order; none when there is no file."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by column name; none when there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="backslashreplace", newline="") as file:
        return list(csv.DictReader(file))


def environment() -> dict[str, str]:
    """Versions and machine: what a second run on this machine finds unchanged."""
    packages = {name: version(name) for name in PACKAGES}
    return {
        "python": platform.python_version(),
        **packages,
        "platform": platform.platform(),
        "machine": platform.machine(),
    }
