"""A check in a process of its own, which is ended after a time limit and leaves nothing running.

A driver, a disk or a server that hangs would otherwise hang `dvdgan doctor`.
"""

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from types import FrameType

from dvdgan.doctor.finding import FAILS, Finding, failure
from dvdgan.doctor.settings import DoctorSettings
from dvdgan.errors import EXIT_INTERRUPTED
from dvdgan.guard.killing import kill_tagged, new_process_tag
from dvdgan.guard.parent_death_signal import set_parent_death_signal

Check = Callable[[DoctorSettings], Iterable[Finding]]

# From SIGTERM, on which a check removes what it has written, until SIGKILL.
GRACE_SECONDS = 10.0
_FORK = multiprocessing.get_context("fork")


def findings_of(name: str, check: Check, settings: DoctorSettings) -> Iterator[Finding]:
    """What ``check`` finds, as it finds it; one that FAILS if it does not end in time."""
    seconds = settings.seconds
    tag = new_process_tag()
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_work, args=(name, check, settings, sender, tag))
    process.start()
    sender.close()
    deadline = time.monotonic() + seconds
    try:
        while receiver.poll(max(0.0, deadline - time.monotonic())):
            try:
                yield receiver.recv()
            except EOFError:
                break
        else:
            yield Finding(
                name,
                FAILS,
                f"the check did not end within {seconds:g} s and was stopped",
                "check what it depends on, or give it more time: `dvdgan doctor --timeout "
                f"{2 * seconds:g} {name}`",
            )
            return
        process.join(GRACE_SECONDS)
        if process.exitcode:
            yield Finding(
                name,
                FAILS,
                f"the check ended by itself (exit code {process.exitcode}); see the lines above",
                f"run `dvdgan doctor {name}` again, and report it",
            )
    finally:
        _end(process, tag)


def _end(process: ForkProcess, tag: dict[str, str]) -> None:
    if process.is_alive():
        process.terminate()
        process.join(GRACE_SECONDS)
        process.kill()
        process.join(GRACE_SECONDS)
    kill_tagged(tag)


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process by SystemExit, on which a check removes what it has written.

    boto3 would take another exception for one of the connection, and try again.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(EXIT_INTERRUPTED)


def _work(
    name: str, check: Check, settings: DoctorSettings, sender: Connection, tag: dict[str, str]
) -> None:
    os.setsid()  # Ctrl-C reaches `dvdgan doctor` alone, which ends this process
    signal.signal(signal.SIGTERM, _leave)
    set_parent_death_signal()
    os.environ.update(tag)
    try:
        for finding in check(settings):
            sender.send(finding)
        code = 0
    except Exception as error:
        found, code = failure(name, error), 0
        if found is None:
            traceback.print_exc(file=sys.stderr)
            code = 1
        else:
            sender.send(found)
    sys.stdout.flush()
    sys.stderr.flush()
    # What the parent has registered for its own exit, such as joining its threads, is not repeated.
    os._exit(code)
