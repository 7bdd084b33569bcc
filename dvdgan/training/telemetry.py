"""What a run tells of itself: JSON lines, one a step, and a live line for whoever watches."""

import json
from pathlib import Path
from typing import Any

from dvdgan.progress import Progress


class LineLog:
    """An append-only file of JSON objects with a `step` each."""

    def __init__(self, path: Path, finished_steps: int) -> None:
        """Open ``path``, forgetting lines later than ``finished_steps``: those steps are redone."""
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if _step(line) <= finished_steps]
        aside = path.with_suffix(".tmp")
        aside.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        aside.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, step: int, values: dict[str, Any]) -> None:
        """Append one line; it reaches the file at once."""
        self._file.write(json.dumps({"step": step, **values}, sort_keys=True) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class Telemetry:
    """Losses to one file, speed to another (it differs from run to run), both to the live line."""

    def __init__(self, losses: Path, speed: Path, finished_steps: int, total_steps: int) -> None:
        self._losses = LineLog(losses, finished_steps)
        self._speed = LineLog(speed, finished_steps)
        self._progress = Progress("train", total_steps, "steps", start=finished_steps)

    def record(
        self, step: int, values: dict[str, float], clips: int, seconds: float, waited: float
    ) -> None:
        """One finished step of ``seconds``, ``waited`` of them for data; ``clips`` in the batch."""
        speed = {
            "clips_per_second": clips / seconds,
            "data_wait_share": waited / seconds,
            "step_seconds": seconds,
        }
        self._losses.write(step, values)
        self._speed.write(step, speed)
        losses = {name: value for name, value in values.items() if name.endswith("_loss")}
        generator_loss = losses.pop("generator_loss")
        self._progress.advance(
            note=f"D {sum(losses.values()):.3f} "
            f"G {generator_loss:.3f} {speed['clips_per_second']:.1f} clips/s, "
            f"data wait {speed['data_wait_share']:.0%}"
        )

    def __enter__(self) -> "Telemetry":
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.close()
        self._losses.close()
        self._speed.close()


def _step(line: str) -> float:
    try:
        step: int = json.loads(line)["step"]
    except (json.JSONDecodeError, KeyError):
        return float("inf")  # cut off by a crash
    return step
