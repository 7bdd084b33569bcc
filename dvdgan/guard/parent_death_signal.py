"""The parent death signal: a child ends when its parent does, however it ends (Linux).

    python -m dvdgan.guard.parent_death_signal COMMAND ...

runs COMMAND until the process that started it dies.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

# Put before a command that `parent_variable` goes with.
WITH_PARENT_DEATH_SIGNAL = (sys.executable, "-m", "dvdgan.guard.parent_death_signal")
PARENT = "DVDGAN_PARENT"


def parent_variable() -> dict[str, str]:
    """The variable that a child which calls `set_parent_death_signal` needs in its environment.

    Without it the death of a parent while the child's Python still starts is not noticed: the child
    only sees the process that has adopted it.
    """
    return {PARENT: str(os.getpid())}


def set_parent_death_signal(number: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send this process ``number`` when its parent dies, even by SIGKILL.

    Does nothing on systems other than Linux.
    """
    # Not for the children of this process, which have another parent.
    parent = int(os.environ.pop(PARENT, os.getppid()))
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number))
    if os.getppid() != parent:  # it died before the request took effect
        os.kill(os.getpid(), number)


def main() -> None:
    """Run the command of the command line until the parent dies.

    SIGINT, which stops stages and workers, gets its default action back: a shell has its background
    jobs and their children ignore it.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    set_parent_death_signal()
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
