"""What scheduled evaluations found, one line each, and the page that shows where it leads."""

import html
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dvdgan.guard.ledger import append, read
from dvdgan.storage.local import read_json, write_bytes

LINES = Path(".runs/evaluate/history.jsonl")
PAGE = Path(".runs/evaluate/index.html")
SHOWN = 50

Record = dict[str, Any]


def recorded(folder: Path, run_name: str, step: int) -> Record | None:
    """What an earlier evaluation of the same checkpoint found."""
    for record in reversed(read(folder / LINES)):
        if (record["run"], record["step"]) == (run_name, step):
            return record
    return None


def record(folder: Path, run_name: str, step: int, tree: Path) -> Record:
    """Add what the stages after train have left in the work tree ``tree``, and draw the page."""
    measured = read_json(tree / "artifacts/evaluate/metrics.json")["generated"]
    drift = read_json(tree / "artifacts/monitor/summary.json")
    found: Record = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run_name,
        "step": step,
        "metrics": {key: metric["value"] for key, metric in measured.items()},
        "names": {key: metric["name"] for key, metric in measured.items()}
        | {drift["key"]: drift["name"]},
        "drifted": drift["share"],
        "drift_key": drift["key"],
        "tree": str(tree.relative_to(folder)),
    }
    (folder / LINES).parent.mkdir(parents=True, exist_ok=True)
    append(folder / LINES, found)
    write_bytes(folder / PAGE, page(read(folder / LINES)).encode())
    return found


def value_of(found: Record, metric: str) -> float | None:
    """The value of a metric by its bare name, FVD; None: not measured, or not finite."""
    for key, value in found["metrics"].items():
        if key.partition("[")[0] == metric:
            number: float | None = value
            return number
    return None


def numbers(found: Record) -> dict[str, float | None]:
    """All numbers under the keys of metrics.json, which only numbers that compare share.

    Records of older versions have bare names.
    """
    return {**found["metrics"], found.get("drift_key", "drifted"): found["drifted"]}


def page(records: list[Record]) -> str:
    """HTML: a curve of each number over the last evaluations, and the numbers; loads nothing.

    Numbers that were measured in another way have a curve and a column of their own.
    """
    shown = records[-SHOWN:]
    names = list(dict.fromkeys(name for each in shown for name in numbers(each)))
    full = {key: name for each in shown for key, name in each.get("names", {}).items()}
    curves = "\n".join(
        f"<figure><figcaption title='{html.escape(full.get(name, name))}'>{html.escape(name)}"
        f"</figcaption>{_curve(shown, name)}</figure>"
        for name in names
    )
    heads = "".join(f"<th>{html.escape(name)}" for name in ("at", "run", "step", *names))
    lines = "\n".join(_line(each, names) for each in reversed(shown))
    return f"""<!doctype html>
<meta charset="utf-8"><title>Scheduled evaluations</title>
<style>body {{ font: 14px sans-serif; margin: 2em }} figure {{ display: inline-block; margin: 1em }}
td, th {{ padding: .2em .8em; text-align: right }} polyline {{ fill: none; stroke: #26c }}</style>
<h1>Scheduled evaluations</h1>
{curves}
<table><tr>{heads}
{lines}
</table>
"""


def _curve(records: list[Record], name: str, width: int = 240, height: int = 80) -> str:
    """The finite values of one number, oldest to the left, scaled between the extremes."""
    values = [numbers(each).get(name) for each in records]
    known = [value for value in values if value is not None]
    if not known:
        return "<p>not finite</p>"
    low, high = min(known), max(known)
    across, up = width / max(len(values) - 1, 1), height / ((high - low) or 1)
    points = " ".join(
        f"{place * across:.1f},{height - (value - low) * up:.1f}"
        for place, value in enumerate(values)
        if value is not None
    )
    return (
        f'<svg viewBox="-4 -4 {width + 8} {height + 8}" width="{width}" height="{height}">'
        f'<polyline points="{points}"/></svg><p>{low:.4g} to {high:.4g}, now {known[-1]:.4g}</p>'
    )


def _line(each: Record, names: list[str]) -> str:
    cells = [each["at"], each["run"], each["step"]]
    values = (numbers(each).get(name) for name in names)
    cells += ["-" if value is None else f"{value:.4g}" for value in values]
    return "<tr>" + "".join(f"<td>{html.escape(str(cell))}" for cell in cells)


def last_of(folder: Path, count: int) -> dict[str, dict[str, float | str | None]]:
    """The newest ``count`` records as rows of a table, the newest first."""
    return {
        f"{each['at']} {each['run']} step {each['step']}": dict(numbers(each))
        for each in reversed(read(folder / LINES)[-count:])
    }


def described(found: Record) -> str:
    """One record in words."""
    figures = ", ".join(
        f"{key.partition('[')[0]} {'not finite' if value is None else format(value, '.4g')}"
        for key, value in found["metrics"].items()
    )
    return f"step {found['step']} of run {found['run']}: {figures}, drifted {found['drifted']:.0%}"
