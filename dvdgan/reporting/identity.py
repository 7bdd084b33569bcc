"""Which run a page is of: what trained it, when, at what cost, and which params changed."""

import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from dvdgan.guard.origin import flat
from dvdgan.yaml_file import read_yaml

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model

MOST_CHANGES = 10
# (classes, frames, resolution, generator channels): the paper's tables 1 and 2, as in presets.
PAPER = {
    (600, 12, 64, 128): "FID 0.91, IS 61.10 (Table 1)",
    (600, 48, 64, 64): "FID 12.92, IS 97.62 (Table 1)",
    (600, 12, 128, 64): "FID 2.16, IS 55.09 (Table 1)",
    (600, 48, 128, 64): "FID 31.50, IS 111.19 (Table 1)",
    (600, 12, 256, 64): "FID 3.35, IS 59.74 (Table 1)",
    (101, 16, 128, 64): "IS 32.97 (Table 2)",
}


def of_bundle(facts: Mapping[str, Any], conditions: Mapping[str, Any]) -> dict[str, str]:
    """The run and what trained it, equal for equal artifacts.

    facts: of the bundle's config.json; conditions: of the checkpoint's state.json.
    """
    count, device = conditions.get("processes", 1), conditions.get("device", "unknown device")
    return {
        "run": str(facts.get("training run", "unknown")),
        "checkpoint": f"step {facts.get('step', 'unknown')}",
        "trained on": f"{count} x {device}, torch {conditions.get('torch', 'unknown')}",
    }


def paper_row(clip: "Clip", model: "Model", classes: int) -> dict[str, str]:
    """The paper's metrics of a model of this size; empty if the paper has none."""
    row = PAPER.get((classes, clip.frames, clip.resolution, model.generator_channels))
    return {} if row is None or model.conditioning_frames else {"the paper": row}


def of_training(
    timing: Sequence[Mapping[str, Any]],
    ended: datetime,
    conditions: Mapping[str, Any],
    price: float,
) -> dict[str, str]:
    """Date, duration, device hours and cost.

    timing: the lines of timing.jsonl, of which a step counts once; price: of a device hour, 0: not
    stated.
    """
    seconds = sum({each["step"]: each["step_seconds"] for each in timing}.values())
    hours = seconds * conditions.get("processes", 1) / 3600
    device = "CPU" if conditions.get("device") == "cpu" else "GPU"
    found = {
        "trained until": ended.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "train steps took": f"{seconds / 60:.1f} minutes, {hours:.3g} {device} process hours",
    }
    if price:
        found["cost"] = f"{hours * price:.2f} at {price:g} an hour"
    return found


def of_commit(params: Path) -> dict[str, str]:
    """The commit, and what changed in ``params`` since its last version; empty outside of git."""
    head = _git("log", "-1", "--format=%h, %an, %as")
    if head is None:
        return {}
    found = {"commit": head.strip()}
    changed = _git("diff", "--quiet", "HEAD", "--", str(params)) is None
    last = _git("log", "-1", "--format=%h, %an, %as", "--", str(params))
    if not last:
        return found
    before = "HEAD" if changed else f"{last.partition(',')[0]}~1"
    earlier = _git("show", f"{before}:./{params}")
    if earlier is None:
        return found
    with TemporaryDirectory() as folder:
        file = Path(folder) / "params.yaml"
        file.write_text(earlier, encoding="utf-8")
        one, two = flat(read_yaml(file)), flat(read_yaml(params))
    changes = [
        f"{key}: {one.get(key)} -> {two.get(key)}"
        for key in sorted(one.keys() | two.keys())
        if one.get(key) != two.get(key)
    ]
    if changes:
        more = f"; and {len(changes) - MOST_CHANGES} more" if len(changes) > MOST_CHANGES else ""
        who = "not committed" if changed else last.strip()
        found[f"params changed ({who})"] = "; ".join(changes[:MOST_CHANGES]) + more
    return found


def _git(*words: str) -> str | None:
    """What git prints; None if it fails, or is not there."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
