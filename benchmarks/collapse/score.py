"""How often the guard is right: replay the recorded runs through its verdict.

    python benchmarks/collapse/score.py

Recall of the hard faults, of other faults and of collapses that nobody injected; delay from the
onset to the verdict in steps and in evaluation periods; false alarms per 100,000 healthy steps;
runs that never learned, and whether any of their checkpoints was called healthy. For the runs
thresholds were found on (fit), and for others (held_out); intervals are exact ones at 95%. A fault
that works slowly is known no sooner than it shows: the delay is also given from the first
evaluation outside the spread of healthy runs. Faults that did mild harm or none are counted apart.
With --wrong, the runs it was wrong about.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binomtest, chi2

from dvdgan.config import load_config
from dvdgan.config.guard import Guard

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "guard"))

from histories import HEALTHY, NEVER, NONE, SPLITS, TOO_BOLD, History, read  # noqa: E402

from dvdgan.storage.output import check_output_file, write_output  # noqa: E402

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
        """Of a run that is too bold nobody knows when it was still well."""
        onset = self.history.onset
        if self.history.kind == TOO_BOLD:
            return False
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
    summary: Table = {
        "runs": len(found),
        "noticed": len(known),
        "recall": proportion(len(known), len(found)),
        "in time": sum(each.in_time(each.history.onset) for each in found),
        "in time since it showed": sum(each.in_time(each.history.shown) for each in found),
    }
    if known:
        summary["median delay, steps"] = statistics.median(delay for delay, _ in known)
        summary["longest delay, steps"] = max(delay for delay, _ in known)
        periods = statistics.median(delay / period for delay, period in known)
        summary["median delay, periods"] = round(periods, 2)
    return summary


def proportion(right: int, count: int) -> list[float]:
    """The share and its interval (Clopper and Pearson)."""
    if not count:
        return []
    interval = binomtest(right, count).proportion_ci()
    return [round(value, 3) for value in (right / count, interval.low, interval.high)]


def rate(alarms: int, steps: int) -> list[float]:
    """Alarms per 100,000 steps and their interval (Garwood)."""
    low = chi2.ppf(0.025, 2 * alarms) / 2 if alarms else 0.0
    high = chi2.ppf(0.975, 2 * alarms + 2) / 2
    return [round(float(value) * PER_STEPS / steps, 1) for value in (alarms, low, high)]


def healthy(found: list[Outcome], guard: Guard) -> Table:
    """False alarms, over all steps on which nothing was wrong; and how long runs warm up."""
    found = [each for each in found if each.history.kind != TOO_BOLD]
    runs = [each for each in found if not each.history.injected and each.history.harm == NONE]
    steps = sum(each.history.healthy_steps for each in found)
    alarms = sum(each.false_alarm for each in found)
    whole = [each.history for each in runs if each.history.baseline is not None]
    first = [good[0] for each in whole if (good := each.called_good(guard))]
    summary: Table = {
        "runs": len(runs),
        "runs of 2,000 steps or more": sum(each.history.end >= 2000 for each in runs),
        "steps": steps,
        "false alarms": alarms,
        "per 100,000 steps": rate(alarms, steps),
        "ever called healthy, of those with a baseline": f"{len(first)} of {len(whole)}",
    }
    return summary | ({"median step of the first": statistics.median(first)} if first else {})


def never_learned(found: list[Outcome], guard: Guard) -> Table:
    """Runs that were bad from the first step."""
    runs = [each for each in found if each.history.harm == NEVER]
    return {
        "runs": len(runs),
        "ended by the guard": sum(each.noticed is not None for each in runs),
        "called healthy at some step": sum(bool(each.history.called_good(guard)) for each in runs),
    }


def too_bold(found: list[Outcome]) -> Table:
    """Runs that are too bold, and neither collapsed by their FVD nor never learned."""
    runs = [each for each in found if each.history.kind == TOO_BOLD and each.history.harm == NONE]
    called = sum(each.noticed is not None for each in runs)
    return {"runs": len(runs), "called collapsed or never learned": called}


def summary(found: list[Outcome], guard: Guard) -> Table:
    """Of all runs of a split."""
    collapsing = [each for each in found if each.history.collapses]
    injected = [each for each in collapsing if each.history.injected]
    kinds = dict.fromkeys(each.history.kind for each in collapsing)
    summary: Table = {
        "hard": share(each for each in injected if each.history.hard),
        "rest": share(each for each in injected if not each.history.hard),
        "nobody injected": share(each for each in collapsing if not each.history.injected),
        "never learned": never_learned(found, guard),
        "healthy": healthy(found, guard),
        "too bold, and still fair": too_bold(found),
    }
    for harm in ("mild", "none"):
        faults = [each for each in found if each.history.injected and each.history.harm == harm]
        called = sum(each.delay is not None for each in faults)
        summary[f"faults, harm: {harm}"] = {"runs": len(faults), "called collapsed": called}
    summary["kinds"] = {
        kind: share(each for each in collapsing if each.history.kind == kind) for kind in kinds
    }
    return summary


def wrong(found: list[Outcome], guard: Guard) -> list[str]:
    """A line for each collapse missed or noticed late, and for each false alarm."""
    lines = []
    for each in found:
        history = each.history
        late = history.collapses and not each.in_time(history.onset)
        if not late and not each.false_alarm:
            continue
        states = [f"{step} {state}" for step, state in history.states(guard)]
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
    parser.add_argument("--wrong", action="store_true", help="also list the runs it got wrong")
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    arguments = parser.parse_args()
    if arguments.write is not None:
        check_output_file(arguments.write)
    guard = load_config(arguments.params).train.guard
    result = {}
    for split in SPLITS:
        found = [Outcome(history, history.noticed(guard)) for history in read(split)]
        result[split] = summary(found, guard)
        if arguments.wrong:
            print("\n".join([f"{split}:", *wrong(found, guard)]), file=sys.stderr)
    print(json.dumps(result, indent=2))
    if arguments.write is not None:
        write_output(arguments.write, result)


if __name__ == "__main__":
    main()
