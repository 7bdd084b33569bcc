"""A decoder that dies or hangs costs one file; the others keep their results and their order."""

import os
import signal
import time

from dvdgan.data.inspection import Failure, run_isolated
from dvdgan.data.refusal import Refusal


def behave(kind: str) -> str:
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "hang":
        time.sleep(600)
    return kind.upper()


def test_crashes_and_hangs_are_contained() -> None:
    outcomes = run_isolated(behave, ["a", "crash", "b", "hang", "c"], timeout_s=2, workers=2)
    assert [outcomes[i] for i in (0, 2, 4)] == ["A", "B", "C"]
    assert isinstance(outcomes[1], Failure)
    assert outcomes[1].why[0] is Refusal.DECODER_CRASHED
    assert isinstance(outcomes[3], Failure)
    assert outcomes[3].why == (Refusal.TIMED_OUT, "not probed within 2 s")
