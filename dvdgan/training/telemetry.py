"""Telemetry of a run: a line of JSON a step, experiment trackers, and a live line to watch."""

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import torch

from dvdgan.progress import Progress, number
from dvdgan.storage.local import is_full, write_bytes
from dvdgan.training.spectrum import Spectra
from dvdgan.training.trackers import Trackers

# The live line shows speeds averaged over about ten steps.
SMOOTHING = 0.9

LOSSES = {"spatial_loss": "D_S", "temporal_loss": "D_T", "generator_loss": "G"}


class LineLog:
    """An append-only file of JSON objects with a `step` each.

    If the disk is full, lines are kept and written when there is room again.
    """

    def __init__(self, path: Path, finished_steps: int) -> None:
        """Open ``path``, forgetting lines later than ``finished_steps``: those steps are redone."""
        _forget(path, finished_steps)
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._whole = path.stat().st_size  # bytes up to the end of the last whole line
        self._waiting: list[bytes] = []

    def write(self, step: int, values: dict[str, Any]) -> None:
        """Append one line; it reaches the operating system at once. A value not finite is null.

        Raises OSError if the disk refuses it for another reason than that it is full.
        """
        line = json.dumps({"step": step, **_finite(values)}, sort_keys=True, allow_nan=False)
        was_full = bool(self._waiting)
        self._waiting.append(line.encode() + b"\n")
        full = self._append()
        if full is not None and not was_full:
            _report(
                f"{self._path.name} cannot be written: {full}. Its lines are kept in memory until "
                "it can"
            )
        if full is None and was_full:
            _report(f"{self._path.name} is written again; no line was lost")

    def close(self) -> None:
        """Write what waits for room, or report that it is lost."""
        full = self._append()
        if full is not None:
            _report(f"{len(self._waiting)} lines of {self._path.name} are lost: {full}")
        self._file.close()

    def _append(self) -> str | None:
        """Write the lines that wait, all or none of them; why not, where the disk is full."""
        content = b"".join(self._waiting)
        done = 0
        try:
            while done < len(content):
                done += self._file.write(content[done:])
        except OSError as error:
            self._file.truncate(self._whole)
            if not is_full(error):
                raise
            return error.strerror
        self._whole += done
        self._waiting.clear()
        return None


class Telemetry:
    """Logs a run to files, to trackers where there are any, and to the live line.

    Speed has a file of its own, since it differs from run to run.
    """

    def __init__(
        self,
        metrics: Path,
        timing: Path,
        finished_steps: int,
        total_steps: int,
        spectra: Path | None = None,
        trackers: Trackers | None = None,
    ) -> None:
        """``trackers`` are closed with this."""
        self._metrics = LineLog(metrics, finished_steps)
        self._timing = LineLog(timing, finished_steps)
        self._spectra = LineLog(spectra, finished_steps) if spectra else None
        self._trackers = trackers or Trackers()
        self._progress = Progress("train", total_steps, "steps", start=finished_steps)
        self._steps = self._seconds = self._waited = 0.0  # of late: older ones count less

    def record(
        self, step: int, values: dict[str, float], clips: int, seconds: float, waited: float
    ) -> None:
        """One finished step of ``seconds``, ``waited`` of them for data; ``clips`` in the batch.

        ``values``: what the same run repeated gives again, from losses to learning rates.
        """
        speed = {
            "clips_per_second": clips / seconds,
            "data_wait_share": waited / seconds,
            "step_seconds": seconds,
        }
        if torch.cuda.is_initialized():
            speed["gpu_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
        self._metrics.write(step, values)
        self._timing.write(step, speed)
        self._trackers.log_metrics(_under("training", values) | _under("speed", speed), step)
        self._steps = SMOOTHING * self._steps + 1
        self._seconds = SMOOTHING * self._seconds + seconds
        self._waited = SMOOTHING * self._waited + waited
        self._progress.advance(note=self._note(step, values, clips))

    def record_spectra(self, step: int, **networks: Spectra) -> None:
        """The largest singular values of each network's layers; needs the path ``spectra``."""
        assert self._spectra is not None
        self._spectra.write(step, networks)
        largest = {
            f"spectra/{network}/{layer}": values[0]
            for network, layers in networks.items()
            for layer, values in layers.items()
        }
        self._trackers.log_metrics(largest, step)

    def show(self, step: int, sheet: dict[str, bytes]) -> None:
        """Hand a sample sheet (suffix -> content) to the trackers."""
        self._trackers.log_samples(sheet, step)

    def __enter__(self) -> "Telemetry":
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.close()
        for log in filter(None, (self._metrics, self._timing, self._spectra)):
            log.close()
        self._trackers.close()

    def _note(self, step: int, values: dict[str, float], clips: int) -> str:
        losses = " ".join(
            f"{short} {values[name]:.3f}" for name, short in LOSSES.items() if name in values
        )
        return (
            f"{step * clips:,} clips seen, {number(clips * self._steps / self._seconds)} clips/s, "
            f"{losses}, data wait {self._waited / self._seconds:.0%}"
        )


def _forget(path: Path, finished_steps: int) -> None:
    """Cut lines later than ``finished_steps`` off ``path``, and what a crash left of one."""
    whole = path.read_bytes() if path.exists() else b""
    lines = whole.splitlines()
    kept = b"".join(line + b"\n" for line in lines if _step(line) <= finished_steps)
    if whole.startswith(kept) and path.exists():
        os.truncate(path, len(kept))  # needs no room on the disk
    else:
        write_bytes(path, kept)


def _step(line: bytes) -> float:
    try:
        step: int = json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf  # cut off by a crash
    return step


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None


def _under(group: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{group}/{name}": value for name, value in values.items()}


def _report(line: str) -> None:
    print(f"train: {line}", file=sys.stderr, flush=True)
