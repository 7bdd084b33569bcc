"""Progress: plain lines off a terminal, one bar on it, counts that add up."""

import io
import sys

import pytest

from dvdgan import progress
from dvdgan.progress import SECONDS_BETWEEN_LINES, Progress, duration, number, track


class Clock:
    """A clock that moves when a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_a_line_every_few_seconds_and_one_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("shard", 100, "videos") as bar:
        for _ in range(50):
            clock.now += SECONDS_BETWEEN_LINES / 10
            bar.advance(2)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        *(f"shard: {done}/100 videos, 2/s, {(100 - done) // 2} s left" for done in (20, 40, 60)),
        "shard: 80/100 videos, 2/s, 10 s left",
        "shard: 100/100 videos, 2/s",
        "shard: 100/100 videos, 2/s",
    ]


def test_the_time_left_follows_the_recent_rate_and_forgets_a_pause(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("train", 100_000, "steps") as bar:
        for _ in range(600):
            clock.now += 1
            bar.advance()
        assert bar.rate == pytest.approx(1)
        clock.now += 24 * 3600  # the disk was full, the lid was closed
        for _ in range(70):
            clock.now += 1
            bar.advance()
        assert bar.rate == pytest.approx(1)
        for _ in range(70):
            clock.now += 1
            bar.advance(2)
        assert bar.rate == pytest.approx(2)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "train: 810/100,000 steps, 2/s, 13 h 47 min left"


@pytest.mark.parametrize(
    ("total", "start", "units", "seconds", "rate", "last"),
    [
        # A resumed count does not inflate the rate.
        (100, 90, [5], 5, 1, "train: 95/100 steps, 1/s, 5 s left"),
        # Work slower than the window has a rate, too.
        (10, 0, [1] * 4, 1800, 1 / 1800, "train: 4/10 steps, 0.000556/s, 3 h 0 min left"),
    ],
)
def test_the_rate_is_that_of_this_run(
    total: int,
    start: int,
    units: list[int],
    seconds: int,
    rate: float,
    last: str,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Progress("train", total, "steps", start) as bar:
        for count in units:
            clock.now += seconds
            bar.advance(count, note="D 1.0")
        assert bar.rate == pytest.approx(rate)
    assert capsys.readouterr().err.splitlines()[-1] == f"{last}, D 1.0"


def test_a_clock_set_back_or_forward_changes_no_rate(clock: Clock) -> None:
    """Only the monotonic clock is read: this one has no other."""
    assert not hasattr(clock, "time")
    with Progress("train", 10, "steps") as bar:
        clock.now += 5
        bar.advance(5)
        assert bar.rate == 1


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.2, "0 s"),
        (40, "40 s"),
        (725, "12 min"),
        (3599, "60 min"),
        (3 * 3600 + 12 * 60, "3 h 12 min"),
        (53 * 3600 + 100, "2 d 5 h"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.05123, "0.0512"), (52.34, "52.3"), (1234.5, "1,234")]
)
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown


def test_tracked_items_pass_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter("abc"), "read", 3, "letters")) == ["a", "b", "c"]
    assert "read: 3/3 letters" in capsys.readouterr().err


def test_an_error_still_ends_the_count(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), Progress("read", 3, "letters") as bar:
        bar.advance()
        raise RuntimeError
    assert "read: 1/3 letters" in capsys.readouterr().err


def test_a_terminal_gets_a_bar_with_the_note(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("train", 4, "steps", start=1) as bar:
        bar.advance(3, note="D 1.0")
    shown = terminal.getvalue()
    last = shown.rstrip("\n").rpartition("\r")[2]
    assert last.startswith("train: 100% |") and "4/4 steps" in last and "D 1.0" in last
