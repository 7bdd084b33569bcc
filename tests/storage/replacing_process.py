"""Replaces a folder over and over: each time, all files of it hold the same number.

`python replacing_process.py FOLDER WAY NUMBER`: from NUMBER on; WAY is `exchange`, or `renames`, as
on file systems that cannot exchange two paths.
"""

import os
import sys
from pathlib import Path

from dvdgan.storage import local

NAMES = ("a", "deep/b", "deep/er/c")


def fill(folder: Path, number: int) -> None:
    for name in NAMES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(str(number))


if __name__ == "__main__":
    target, way = Path(sys.argv[1]), sys.argv[2]
    os.fsync = lambda descriptor: None  # type: ignore[assignment]  # a kill is no power cut
    if way == "renames":
        local.exchange = lambda one, other: False  # type: ignore[assignment]
    for generation in range(int(sys.argv[3]), sys.maxsize):
        with local.atomic_directory(target) as aside:
            fill(aside, generation)
        if generation == int(sys.argv[3]):
            print("begun", flush=True)
