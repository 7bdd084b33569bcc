"""One process of a process group that is only checked.

    LAUNCHER dvdgan.doctor.process_group FOLDER SECONDS

joins the group that the launcher describes, sums over it, and prints a line of JSON when it starts,
when it has joined, and when it is done or has failed. FOLDER holds a lock of the process that
started the launcher.
"""

import json
import os
import socket
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from dvdgan.doctor.lock_probe import lock_state
from dvdgan.errors import redacted

STARTED, JOINED, DONE, FAILED = "started", "joined", "done", "failed"
MARK = "doctor"
LOCK = "lock"
# float32: 4 MB, a message of gradients.
NUMBERS = 1_000_000


def main() -> None:
    """Exits with 0 also if it fails: torchrun would start all again."""
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    meeting = f"{os.environ.get('MASTER_ADDR', 'localhost')}:{os.environ.get('MASTER_PORT', '')}"
    facts = {
        "rank": rank,
        "world": world,
        "host": socket.gethostname(),
        "address": _address(),
        "meeting": meeting,
        "lock": lock_state(folder / LOCK) if folder.is_dir() else None,
    }
    report(STARTED, facts)
    try:
        done = _sum(rank, world, seconds, facts)
    except (RuntimeError, OSError, ValueError) as error:  # of torch.distributed
        text = f"{type(error).__name__}: {error}".partition("\n")[0]
        report(FAILED, facts | {"error": redacted(text)})
        sys.stdout.flush()
        os._exit(0)  # threads of a group that failed may wait for the others
    report(DONE, facts | done)


def report(stage: str, facts: dict[str, Any]) -> None:
    """Print a line in one piece: several processes print to one pipe."""
    os.write(1, (json.dumps({MARK: stage} | facts) + "\n").encode())


def _sum(rank: int, world: int, seconds: float, facts: dict[str, Any]) -> dict[str, Any]:
    import torch
    from torch import distributed

    gpus = torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", local) if gpus else torch.device("cpu")
    if gpus:
        torch.cuda.set_device(device)
    backend = "nccl" if gpus else "gloo"
    if world == 1:
        return {"backend": backend, "sum": 1, "seconds": 0.0}
    distributed.init_process_group(backend, timeout=timedelta(seconds=seconds))
    # NCCL connects at the first sum.
    numbers = torch.full((NUMBERS,), rank + 1.0, device=device)
    distributed.all_reduce(numbers)
    smallest, largest = numbers.min().item(), numbers.max().item()
    report(JOINED, facts)
    began = time.monotonic()
    distributed.all_reduce(numbers)
    numbers[0].item()  # waits for the device
    taken = time.monotonic() - began
    distributed.destroy_process_group()
    return {"backend": backend, "sum": smallest, "largest": largest, "seconds": taken}


def _address() -> str:
    """This host's address towards the first process."""
    first = os.environ.get("MASTER_ADDR", "localhost")
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((first, 9))  # sends nothing
        return str(probe.getsockname()[0])
    return "no address"


if __name__ == "__main__":
    main()
