"""python -m dvdgan.doctor.lock_probe FILE: prints whether another process holds the lock FILE."""

import fcntl
import sys
from pathlib import Path

HELD, FREE = "held", "free"


def lock_state(path: Path) -> str:
    """HELD if another process holds the lock (guard/run_lock.py), FREE, or why it is unknown."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return HELD
    except OSError as error:
        return str(error.strerror)
    return FREE


if __name__ == "__main__":
    print(lock_state(Path(sys.argv[1])))
