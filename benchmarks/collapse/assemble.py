"""Make the guard's test data of the recorded runs: tests/guard/histories/{fit,held_out}.jsonl.gz.

    python benchmarks/collapse/assemble.py --work FOLDER

Numbers keep four significant digits; equal recordings give equal bytes. What a fault did is decided
by the healthy runs of the same trunk that are as far or further. It did harm where numbers broke,
or where the last two evaluations are both worse than any of those: by FVD, by FID, or clearly by a
health metric of the samples. A collapse is more: broken numbers, or worse than the run itself was
before and by a health metric, or by distances half as long again as the longest of the healthy
runs. Mild harm is thus also to come to a standstill. Runs that took mild harm or none are kept, and
marked.

What became of a run to which nothing was done is decided by its FVD. It never learned where no two
evaluations in a row are at most three quarters of the untrained generator's. It collapsed where,
after that, numbers broke, or two evaluations in a row are three times its own best so far and a
quarter of the untrained generator's: near 0 an FVD of so few clips wavers by more than that.

Runs that are stored and were not recorded anew in FOLDER stay as they are.
"""

import argparse
import gzip
import json
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import Any

from runs import HEALTHY, PERIOD, branches, trunks

HISTORIES = Path(__file__).resolve().parents[2] / "tests" / "guard" / "histories"
DISTANCES = ("FVD", "FID")
DEFECTS = ("static", "uniform", "saturated", "flickering", "near_duplicates")
SPREADS = ("accuracy", "diversity")
# How far health metrics, which are less exact than the distances, lie outside where there is harm.
DEFECT_MARGIN, SPREAD_MARGIN = 0.2, 0.8
COLLAPSE_FACTOR = 1.5
# Healthy runs still improve: those up to so many steps younger are as far.
ALIKE = 2 * PERIOD
NONE, MILD, COLLAPSE, NEVER = "none", "mild", "collapse", "never learned"
# A run to which nothing was done has learned at this share of the untrained generator's FVD, and
# collapsed at this multiple of its own best that is this share of the untrained generator's.
LEARNED, LOST, FAR = 0.75, 3.0, 0.25
# A fault's last evaluations that are compared.
LAST = 2

History = dict[str, Any]

# What is recorded of a run beside how it is put together.
ABOUT = (
    *("data", "real", "seed", "generator_channels", "discriminator_channels", "batch_size"),
    *("generator_learning_rate", "discriminator_learning_rate", "adam_beta1", "adam_beta2"),
    *("discriminator_steps", "phi", "spatial_frames", "recurrence", "steps"),
)


def read(work: Path) -> dict[str, History]:
    """The recorded histories by name, in the order of the tables."""
    found = {}
    for name in [*trunks(), *branches()]:
        path = work / "histories" / f"{name}.json"
        if path.exists():
            found[name] = json.loads(path.read_text(encoding="utf-8"))
            found[name] |= asdict(trunks()[name]) if name in trunks() else {}
    return found


def spread(healthy: list[History], since: int) -> dict[str, tuple[float, float]]:
    """The lowest and highest value of each metric in healthy runs from step ``since`` on."""
    values: dict[str, list[float]] = {}
    for history in healthy:
        for evaluation in history["evaluations"]:
            if evaluation["step"] >= since:
                for name, value in (evaluation["metrics"] | evaluation["health"]).items():
                    values.setdefault(name, []).append(value)
    return {name: (min(each), max(each)) for name, each in values.items()}


def harm(struck: History, healthy: list[History]) -> tuple[str, int | None]:
    """What a fault did: none, mild or collapse; and the step since which that shows."""
    if struck["failure"] is not None:
        return COLLAPSE, struck["failure"]["step"]
    trunk = next(each for each in healthy if each["name"] == struck["trunk"])
    before = next(each for each in trunk["evaluations"] if each["step"] == struck["begin"])
    after = [each for each in struck["evaluations"] if each["step"] >= struck["onset"]]
    usual = [spread(healthy, each["step"] - ALIKE) for each in after]
    for degree, factor in ((COLLAPSE, COLLAPSE_FACTOR), (MILD, 1.0)):
        for name in usual[-1]:
            worse = [
                _worse(name, each, known[name], factor)
                and (degree == MILD or _worse(name, each, (_value(name, before),) * 2, 1.0))
                for each, known in zip(after, usual, strict=True)
            ]
            if all(worse[-LAST:]):
                return degree, _shown(after, usual)
    return NONE, None


def outcome(run: History) -> tuple[str, int | None]:
    """What became of a run to which nothing was done, and the step since which that shows."""
    found = baseline(run)
    if found is None:
        return NONE, None
    untrained = found["untrained"]["metrics"]["FVD"]
    distances = [(each["step"], each["metrics"]["FVD"]) for each in run["evaluations"]]
    learned = [fvd is not None and fvd <= LEARNED * untrained for _, fvd in distances]
    pairs = [number for number in range(1, len(learned)) if all(learned[number - 1 : number + 1])]
    if not pairs:
        return NEVER, 1
    best = min(fvd for _, fvd in distances[: pairs[0] + 1] if fvd is not None)
    lost: list[int] = []
    for step, fvd in distances[pairs[0] + 1 :]:
        if fvd is not None and fvd <= max(LOST * best, FAR * untrained):
            best, lost = min(best, fvd), []
            continue
        lost.append(step)
        if len(lost) == LAST:
            return COLLAPSE, lost[0]
    if run["failure"] is not None:
        return COLLAPSE, run["failure"]["step"]
    return NONE, None


def baseline(history: History) -> History | None:
    """As the ledger has it; None in recordings made before it was measured."""
    found = history.get("baseline")
    if found is None:
        return None
    untrained = {name: found[name] for name in ("metrics", "intervals")}
    return {"untrained": untrained, "mean_clip": found["mean_clip"]}


def _shown(after: list[dict[str, Any]], usual: list[dict[str, tuple[float, float]]]) -> int:
    """The step from which on every evaluation is worse in something."""
    lasting = takewhile(
        lambda pair: any(_worse(name, pair[0], known, 1.0) for name, known in pair[1].items()),
        zip(reversed(after), reversed(usual), strict=True),
    )
    return int([each["step"] for each, _ in lasting][-1])


def _value(name: str, evaluation: dict[str, Any]) -> Any:
    return (evaluation["metrics"] | evaluation["health"]).get(name)


def _worse(
    name: str, evaluation: dict[str, Any], usual: tuple[float, float], factor: float
) -> bool:
    value, (lowest, highest) = _value(name, evaluation), usual
    if value is None:
        return True
    if name in DISTANCES:
        return bool(value > factor * highest)
    if name in DEFECTS:
        return bool(value > highest + DEFECT_MARGIN)
    return name in SPREADS and bool(value < SPREAD_MARGIN * lowest)


def alike(other: History, run: History) -> bool:
    """Whether ``other`` is one of the healthy runs that ``run`` is compared with."""
    return other["kind"] == HEALTHY and run["trunk"] in (other["trunk"], other["name"])


def stored(split: str, anew: set[str]) -> list[History]:
    """The runs that are stored already, without those that were recorded anew."""
    with gzip.open(HISTORIES / f"{split}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [each for each in map(json.loads, lines) if each["name"] not in anew]


def with_harm(history: History, done: str, shown: int | None) -> History:
    """What is stored of a run."""
    return {
        "name": history["name"],
        "trunk": history["trunk"],
        "kind": history.get("kind", HEALTHY),
        "variant": history.get("variant", ""),
        "hard": history.get("hard", False),
        "harm": done,
        "shown": shown,
        "onset": history.get("onset", 0),
        "begin": history.get("begin", 0),
        "period": history["period"] if history["trunk"] is None else PERIOD,
        "about": {name: history[name] for name in ABOUT} | {"rate": history.get("rate", 1.0)},
        "telemetry": columns(history["telemetry"]),
        "spectra": history["spectra"],
        "baseline": baseline(history),
        "evaluations": history["evaluations"],
        "failure": history["failure"],
    }


def columns(lines: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Lines with the same keys as one list a key: a third of the bytes."""
    return {key: [line[key] for line in lines] for key in (lines[0] if lines else ())}


def rounded(value: Any) -> Any:
    """With four significant digits, in whatever it is nested."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def write(histories: list[History], path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    lines = [json.dumps(rounded(each), separators=(",", ":"), sort_keys=True) for each in histories]
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content, 9, mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="where record.py worked")
    arguments = parser.parse_args()
    histories = read(arguments.work)
    splits = {split: stored(split, set(histories)) for split in ("fit", "held_out")}
    for history in histories.values():
        if history["trunk"] is None:
            done, shown = outcome(history)
            history["onset"] = shown or 0
        elif history["kind"] == HEALTHY:
            done, shown = NONE, None
        else:
            healthy = [each for each in histories.values() if alike(each, history)]
            done, shown = harm(history, healthy)
        splits[history["split"]].append(with_harm(history, done, shown))
    for split, each in splits.items():
        write(each, HISTORIES / f"{split}.jsonl.gz")
        kinds = [(one["kind"], one["hard"], one["harm"]) for one in each]
        counts = {
            f"{kind}{', hard' if hard else ''}: {done}": kinds.count((kind, hard, done))
            for kind, hard, done in dict.fromkeys(kinds)
        }
        print(f"{split}: {len(each)} runs: {counts}")


if __name__ == "__main__":
    main()
