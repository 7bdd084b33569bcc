"""A launcher whose ranks are forks, since importing torch takes longer than what they do.

SCRIPT COUNT -m dvdgan ARGUMENTS. SIGTERM is passed on.
"""

import os
import signal
import sys

from dvdgan.cli import main
from dvdgan.stages import evaluate, reference

IMPORTED = evaluate, reference


def rank_of(rank: int, count: int) -> int:
    """Start a rank; its process id."""
    child = os.fork()
    if child == 0:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
        main()
        sys.exit()
    return child


if __name__ == "__main__":
    count, sys.argv[1:] = int(sys.argv[1]), sys.argv[4:]
    children = [rank_of(rank, count) for rank in range(count)]

    def stop(*_: object) -> None:
        for child in children:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.exit(max(map(abs, ended)))
