"""Make the guard's test data of the recorded runs: tests/guard/histories/{fit,held_out}.jsonl.gz.

    python benchmarks/collapse/assemble.py --work FOLDER

Numbers keep four significant digits; equal recordings give equal bytes. A fault did no harm where
nothing broke and FVD and FID ended within the spread that the healthy runs of the same trunk have
from the step on at which branches leave it; such a run is kept, and marked.
"""

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

from runs import HEALTHY, PERIOD, branches, trunks

HISTORIES = Path(__file__).resolve().parents[2] / "tests" / "guard" / "histories"
DISTANCES = ("FVD", "FID")
# A fault's last evaluations that are compared.
LAST = 2

History = dict[str, Any]

# What is told of a run beside how it is put together.
ABOUT = (
    *("data", "real", "seed", "generator_channels", "discriminator_channels", "batch_size"),
    *("learning_rate", "discriminator_steps", "phi", "spatial_frames", "recurrence"),
)


def read(work: Path) -> dict[str, History]:
    """The recorded histories by name, in the order of the tables."""
    found = {}
    for name in [*trunks(), *branches()]:
        path = work / "histories" / f"{name}.json"
        if path.exists():
            found[name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def spreads(histories: dict[str, History]) -> dict[str, dict[str, float]]:
    """Trunk -> the highest FVD and FID of its healthy branches and of its own later part."""
    highest: dict[str, dict[str, float]] = {}
    earliest = _first_departures()
    for history in histories.values():
        if history.get("kind", HEALTHY) != HEALTHY:
            continue
        trunk = history["trunk"] or history["name"]
        worst = highest.setdefault(trunk, dict.fromkeys(DISTANCES, 0.0))
        for evaluation in history["evaluations"]:
            if evaluation["step"] >= earliest[trunk]:
                for name in DISTANCES:
                    worst[name] = max(worst[name], evaluation["metrics"][name])
    return highest


def _first_departures() -> dict[str, int]:
    first = {name: trunk.steps for name, trunk in trunks().items()}
    for branch in branches().values():
        first[branch.trunk] = min(first[branch.trunk], branch.begin)
    return first


def harmless(struck: History, spread: dict[str, float]) -> bool:
    """Whether a run that a fault struck ended as healthy ones are."""
    if struck["failure"] is not None:
        return False
    after = [each for each in struck["evaluations"] if each["step"] >= struck["onset"]][-LAST:]
    distances = [(each["metrics"][name], spread[name]) for each in after for name in DISTANCES]
    return all(value is not None and value <= most for value, most in distances)


def told(history: History, harm: bool) -> History:
    """What is stored of a run."""
    return {
        "name": history["name"],
        "trunk": history["trunk"],
        "kind": history.get("kind", HEALTHY),
        "variant": history.get("variant", ""),
        "hard": history.get("hard", False),
        "harmless": history.get("kind", HEALTHY) != HEALTHY and not harm,
        "onset": history.get("onset", 0),
        "begin": history.get("begin", 0),
        "period": PERIOD,
        "about": {name: history[name] for name in ABOUT} | {"rate": history.get("rate", 1.0)},
        "telemetry": columns(history["telemetry"]),
        "spectra": history["spectra"],
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
    spread = spreads(histories)
    splits: dict[str, list[History]] = {"fit": [], "held_out": []}
    for history in histories.values():
        struck = history.get("kind", HEALTHY) != HEALTHY
        harm = struck and not harmless(history, spread[history["trunk"]])
        splits[history["split"]].append(told(history, harm))
    for split, each in splits.items():
        write(each, HISTORIES / f"{split}.jsonl.gz")
        kinds = ["harmless" if one["harmless"] else one["kind"] for one in each]
        counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
        print(f"{split}: {len(each)} runs: {counts}")


if __name__ == "__main__":
    main()
