"""Which signals are one request to stop, and which are two."""

import signal
import subprocess
import sys
import time

import pytest

from dvdgan.guard import interruption
from dvdgan.guard.interruption import Burst

# Prints how many requests it counted among the signals it was sent.
LISTENER = """
import time
from dvdgan.errors import InterruptedRunError
from dvdgan.guard.interruption import interrupt_on_signals

interrupt_on_signals()
try:
    print("listening", flush=True)
    time.sleep(30)
except InterruptedRunError as error:
    print(error, flush=True)
try:
    time.sleep(1)
    print("requests: 1")
except InterruptedRunError:
    print("requests: 2")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_parents_death_signalled_several_times_counts_once(number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", LISTENER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    for _ in range(3):
        process.send_signal(number)
        time.sleep(0.1)
    output, _ = process.communicate(timeout=30)
    assert output == f"{number.name} received\nrequests: 1\n"


def test_a_later_signal_is_a_second_request(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(interruption.time, "monotonic", lambda: now[0])
    burst = Burst()
    begins = []
    for pause in (0.0, 0.5, 1.9, 2.1, 0.1):
        now[0] += pause
        begins.append(burst.begins())
    assert begins == [True, False, False, True, False]


NOTING = """
import os, signal
from dvdgan.errors import InterruptedRunError
from dvdgan.guard import interruption

interruption.BURST_SECONDS = 0.0
interruption.record_signals()
interruption.raise_if_interrupted()
try:
    os.kill(os.getpid(), signal.SIGTERM)
    print("noted")
except Exception:  # as code of others may catch it
    print("lost")
for _ in range(2):
    try:
        interruption.raise_if_interrupted()
        print("forgotten")
    except InterruptedRunError as error:
        print(error)
try:
    os.kill(os.getpid(), signal.SIGINT)
    print("deaf")
except InterruptedRunError as error:
    print("insisted:", error)
"""


def test_a_noted_stop_is_raised_where_it_is_looked_for_and_a_second_one_at_once() -> None:
    output = subprocess.run(
        [sys.executable, "-c", NOTING], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert output.splitlines() == [
        "noted",
        "SIGTERM received",
        "SIGTERM received",
        "insisted: SIGINT received",
    ]


# Swallows what is raised, as foreign code may, and looks afterwards.
DEAF = """
import contextlib, sys, time
from dvdgan.guard import interruption

getattr(interruption, sys.argv[1])()
raised = True
with contextlib.suppress(Exception):
    print("listening", flush=True)
    time.sleep(2)
    raised = False
print("raised" if raised else "noted")
interruption.raise_if_interrupted()
"""


@pytest.mark.parametrize(
    ("handle", "outcome"), [("interrupt_on_signals", "raised"), ("record_signals", "noted")]
)
def test_a_signal_counts_although_its_exception_was_swallowed(handle: str, outcome: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF, handle],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert output == f"{outcome}\n"
    assert "InterruptedRunError: SIGTERM received" in errors
