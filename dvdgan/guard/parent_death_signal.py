"""Children that end when their parent does, however it ends (Linux)."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

PARENT = "DVDGAN_PARENT"


def parent_variable() -> dict[str, str]:
    """What to add to the environment of a child that calls `set_parent_death_signal`.

    A parent that is killed while its child's Python is still starting is missed without it: the
    child only sees whoever has adopted it.
    """
    return {PARENT: str(os.getpid())}


def set_parent_death_signal(number: signal.Signals = signal.SIGTERM) -> None:
    """Ask the kernel to send this process ``number`` when its parent dies, even by SIGKILL.

    On other systems than Linux there is no such request and nothing is done.
    """
    # Not for the children of this process, which have another parent.
    parent = int(os.environ.pop(PARENT, os.getppid()))
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number))
    if os.getppid() != parent:  # it died before the request took effect
        os.kill(os.getpid(), number)


def main() -> None:
    """`python -m dvdgan.guard.parent_death_signal COMMAND ...`: run COMMAND until the parent dies.

    A shell makes its background jobs deaf to SIGINT, and their children inherit that: undone here,
    since SIGINT is how stages and workers are asked to stop.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    set_parent_death_signal()
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
