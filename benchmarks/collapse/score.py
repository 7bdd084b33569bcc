"""How often the guard is right: replay the recorded runs through its verdict.

    python benchmarks/collapse/score.py

Recall of the hard faults and of the rest, delay from the onset to the verdict in steps and in
evaluation periods, false alarms per 100,000 healthy steps; for the runs thresholds were found on
(fit), and for others (held_out). A fault that works slowly is known no sooner than it shows, so
that the delay is also told from the first evaluation outside the spread of healthy runs. Faults
that did mild harm or none are told apart. With --wrong, the runs it was wrong about.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvdgan.config import load_config
from dvdgan.config.guard import Guard
from dvdgan.guard.verdict import judge

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "guard"))

from histories import HEALTHY, SPLITS, History, read  # noqa: E402

# Within so many evaluation periods a collapse is to be known.
PERIODS = 2
PER_STEPS = 100_000

Table = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What the guard made of one run."""

    history: History
    noticed: int | None

    @property
    def false_alarm(self) -> bool:
        onset = self.history.onset
        return self.noticed is not None and (onset == 0 or self.noticed < onset)

    @property
    def delay(self) -> int | None:
        """Steps from the onset to the verdict; None: missed."""
        if self.noticed is None or self.false_alarm:
            return None
        return self.noticed - self.history.onset

    def in_time(self, after: int | None) -> bool:
        """Whether the collapse is known PERIODS after a step."""
        if self.noticed is None or self.false_alarm or after is None:
            return False
        return self.noticed <= after + PERIODS * self.history.period


def share(found: Iterable[Outcome]) -> Table:
    """Of runs that collapse."""
    found = list(found)
    known = [(each.delay, each.history.period) for each in found if each.delay is not None]
    told: Table = {
        "runs": len(found),
        "noticed": len(known),
        "in time": sum(each.in_time(each.history.onset) for each in found),
        "in time since it showed": sum(each.in_time(each.history.shown) for each in found),
    }
    if known:
        told["median delay, steps"] = statistics.median(delay for delay, _ in known)
        told["longest delay, steps"] = max(delay for delay, _ in known)
        periods = statistics.median(delay / period for delay, period in known)
        told["median delay, periods"] = round(periods, 2)
    return told


def summary(found: list[Outcome]) -> Table:
    """Of all runs of a split."""
    collapsing = [each for each in found if each.history.collapses]
    healthy = [each for each in found if each.history.kind == HEALTHY]
    steps = sum(each.history.healthy_steps for each in found)
    alarms = sum(each.false_alarm for each in found)
    kinds = dict.fromkeys((each.history.kind, each.history.hard) for each in collapsing)
    told: Table = {
        "hard": share(each for each in collapsing if each.history.hard),
        "rest": share(each for each in collapsing if not each.history.hard),
        "healthy": {
            "runs": len(healthy),
            "steps": steps,
            "false alarms": alarms,
            "per 100,000 steps": round(alarms * PER_STEPS / steps, 1),
        },
    }
    for harm in ("mild", "none"):
        faults = [each for each in found if each.history.onset and each.history.harm == harm]
        called = sum(each.delay is not None for each in faults)
        told[f"faults, harm: {harm}"] = {"runs": len(faults), "called collapsed": called}
    told["kinds"] = {
        kind: share(each for each in collapsing if each.history.kind == kind) for kind, _ in kinds
    }
    return told


def wrong(found: list[Outcome], guard: Guard) -> list[str]:
    """A line for each collapse missed or noticed late, and for each false alarm."""
    lines = []
    for each in found:
        history = each.history
        late = history.collapses and not each.in_time(history.onset)
        if not late and not each.false_alarm:
            continue
        states = [
            f"{reading.step} {judge(history.readings[:count], guard).state}"
            for count, reading in enumerate(history.readings, start=1)
            if reading.step > history.begin
        ]
        what = "false alarm" if each.false_alarm else "missed" if each.delay is None else "late"
        of = history.kind if history.kind == HEALTHY else f"{history.kind}, {history.variant}"
        of += f", onset {history.onset}, shown {history.shown}" if history.onset else ""
        lines.append(f"{what}: {history.name} ({of}): {', '.join(states)}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml", help="its train.guard")
    parser.add_argument("--wrong", action="store_true", help="also tell the runs it got wrong")
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    arguments = parser.parse_args()
    guard = load_config(arguments.params).train.guard
    result = {}
    for split in SPLITS:
        found = [Outcome(history, history.noticed(guard)) for history in read(split)]
        result[split] = summary(found)
        if arguments.wrong:
            print("\n".join([f"{split}:", *wrong(found, guard)]), file=sys.stderr)
    print(json.dumps(result, indent=2))
    if arguments.write:
        arguments.write.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
