"""Reads damaged files in this process, which is watched and limited; prints what came of them.

    python watched.py FOLDER COUNT [CASE ...]

Watched: no code object that is not of an installed file is executed, nothing is unpickled by
name, no process is started and no connection made. Limited: ROOM bytes beside what it has.
"""

import gc
import json
import resource
import shutil
import sys
import time
import traceback
import warnings
from collections import Counter
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import torch
from damage import damaged
from strange_files import PROJECT, Case, cases

# Address space for all that a loader maps, and the memory that it may have used at any time.
ROOM, MOST_USED = 4 << 30, 400
SLOW = 20.0
FORBIDDEN = {
    *("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"),
    *("subprocess.Popen", "socket.connect", "socket.getaddrinfo", "pickle.find_class"),
    *("ctypes.dlopen", "shutil.rmtree"),
}
OURS = (sys.prefix, sys.base_prefix, str(PROJECT), "<frozen", "<__array_function__", "<string>")

watching = False
caught: list[str] = []


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if not watching:
        return
    if event in FORBIDDEN:
        caught.append(f"{event} {arguments!r:.200}")
    elif event == "exec" and not arguments[0].co_filename.startswith(OURS):
        caught.append(f"exec of {arguments[0].co_filename}")


def outcomes(name: str, case: Case, folder: Path, count: int) -> dict[str, Any]:
    """Damage each file of a case in turn, ``count`` times in all."""
    global watching
    case.load(folder)  # whole: imports what is needed
    found: Counter[str] = Counter()
    failures: list[str] = []
    whole = {each: (folder / each).read_bytes() for each in case.files}
    before, began = used(), time.monotonic()
    caught.clear()
    for number, file in zip(range(count), cycle(case.files), strict=False):
        random = Random(f"{name} {number}")
        for each, content in whole.items():
            (folder / each).write_bytes(content)
        (folder / file).write_bytes(damaged(file, whole[file], random))
        started = time.monotonic()
        watching = True
        try:
            case.load(folder)
            found["accepted"] += 1
        except case.errors as error:
            found["refused"] += 1
            if not str(error).strip():
                failures.append(f"{number} {file}: no words")
        except Exception:
            failures.append(f"{number} {file}: {traceback.format_exc()[-1500:]}")
        watching = False
        if time.monotonic() - started > SLOW:
            failures.append(f"{number} {file}: took {time.monotonic() - started:.0f} s")
    gc.collect()
    return {
        **found,
        "failures": failures,
        "caught": list(caught),
        "mebibytes": used() - before,
        "seconds": round(time.monotonic() - began, 1),
    }


def used() -> int:
    """The most memory that this process has used so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def main() -> None:
    folder, count, wanted = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = cases(folder)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sys.addaudithook(watch)
    for name in wanted or made:
        result = outcomes(name, made[name], folder / name, count)
        print(json.dumps({"case": name, **result}), flush=True)


if __name__ == "__main__":
    main()
