"""How often the guard is right: replay the recorded runs through its verdict.

    python benchmarks/collapse/score.py

Recall of the hard faults and of the rest, delay from the onset to the verdict in steps and in
evaluation periods, false alarms per 100,000 healthy steps; for the runs thresholds were found on
(fit), and for others (held_out). Faults that did no harm are told apart and not counted. With
--missed, the runs it was wrong about.
"""

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvdgan.config import load_config
from dvdgan.config.guard import Guard
from dvdgan.guard.verdict import HEALTHY, judge

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "guard"))

from histories import SPLITS, History, read  # noqa: E402

# Within so many evaluation periods of the onset a collapse is to be known.
PERIODS = 2
PER_STEPS = 100_000


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
        late = self.noticed is not None and self.history.onset and not self.false_alarm
        return self.noticed - self.history.onset if late else None  # type: ignore[operator]

    @property
    def in_time(self) -> bool:
        return self.delay is not None and self.delay <= PERIODS * self.history.period


def outcomes(split: str, guard: Guard) -> list[Outcome]:
    return [Outcome(history, history.noticed(guard)) for history in read(split)]


def share(found: list[Outcome]) -> dict[str, Any]:
    """Of runs that collapse."""
    delays = [each.delay for each in found if each.delay is not None]
    periods = [each.delay / each.history.period for each in found if each.delay is not None]
    return {
        "runs": len(found),
        "noticed": len(delays),
        "in time": sum(each.in_time for each in found),
        "median delay, steps": statistics.median(delays) if delays else None,
        "longest delay, steps": max(delays, default=None),
        "median delay, periods": round(statistics.median(periods), 2) if periods else None,
    }


def summary(found: list[Outcome]) -> dict[str, Any]:
    """Of all runs of a split."""
    collapsing = [each for each in found if each.history.onset and not each.history.harmless]
    healthy_steps = sum(each.history.healthy_steps for each in found)
    alarms = sum(each.false_alarm for each in found)
    kinds = dict.fromkeys(each.history.kind for each in collapsing)
    return {
        "hard": share([each for each in collapsing if each.history.hard]),
        "rest": share([each for each in collapsing if not each.history.hard]),
        "healthy": {
            "runs": sum(not each.history.onset for each in found),
            "steps": healthy_steps,
            "false alarms": alarms,
            "per 100,000 steps": round(alarms * PER_STEPS / healthy_steps, 1),
        },
        "harmless": {
            "runs": sum(each.history.harmless for each in found),
            "called collapsed": sum(
                each.history.harmless and each.delay is not None for each in found
            ),
        },
        "kinds": {
            kind: share([each for each in collapsing if each.history.kind == kind])
            for kind in kinds
        },
    }


def wrong(found: list[Outcome], guard: Guard) -> list[str]:
    """A line for each collapse missed or noticed late, and for each false alarm."""
    lines = []
    for each in found:
        history = each.history
        missed = history.onset and not history.harmless and not each.in_time
        if not missed and not each.false_alarm:
            continue
        states = [
            f"{reading.step} {judge(history.readings[:count], guard).state}"
            for count, reading in enumerate(history.readings, start=1)
            if reading.step > history.begin
        ]
        what = "false alarm" if each.false_alarm else "late" if each.delay else "missed"
        of = history.kind if history.kind == HEALTHY else f"{history.kind}, {history.variant}"
        lines.append(f"{what}: {history.name} ({of}, onset {history.onset}): {', '.join(states)}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml", help="its train.guard")
    parser.add_argument("--missed", action="store_true", help="also tell the runs it got wrong")
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    arguments = parser.parse_args()
    guard = load_config(arguments.params).train.guard
    result = {}
    for split in SPLITS:
        found = outcomes(split, guard)
        result[split] = summary(found)
        if arguments.missed:
            print("\n".join([f"{split}:", *wrong(found, guard)]), file=sys.stderr)
    print(json.dumps(result, indent=2))
    if arguments.write:
        arguments.write.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
