"""Probe files in processes of their own: a decoder that crashes or hangs costs its file alone."""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.scan import Candidate
from dvdgan.guard.lifeline import die_with_parent
from dvdgan.progress import track
from dvdgan.storage.local import sha256_of_file
from dvdgan.video.decode import VideoError, VideoFacts, probe

# Longer side over shorter side as shown; beyond it a stored frame is mostly never cropped.
MAX_ELONGATION = 16

Result = TypeVar("Result")


@dataclass(frozen=True)
class Limits:
    """What a video must satisfy: pixels, and the consecutive frames a clip covers."""

    min_short_side: int
    max_pixels: int
    clip_frames: int
    clip_stride: int

    @property
    def span(self) -> int:
        """Consecutive source frames a clip covers."""
        return (self.clip_frames - 1) * self.clip_stride + 1


@dataclass(frozen=True)
class Accepted:
    """A video that can be trained on."""

    path: str
    label_name: str
    sha256: str
    facts: VideoFacts


def inspect(candidate: Candidate, root: Path, limits: Limits) -> Accepted | Refused:
    """Hash and decode one file; the facts, or the first reason against it."""
    file = root / candidate.path
    try:
        digest = sha256_of_file(file)
        facts = probe(file, limits.max_pixels)
    except OSError as error:
        return Refused(candidate.path, Refusal.UNREADABLE, error.strerror or str(error))
    except VideoError as error:
        return Refused(candidate.path, Refusal(error.reason.value), error.detail)
    objection = _objection(facts, limits)
    if objection is not None:
        return Refused(candidate.path, *objection)
    return Accepted(candidate.path, candidate.label_name, digest, facts)


def _objection(facts: VideoFacts, limits: Limits) -> tuple[Refusal, str] | None:
    shown_width = facts.width * facts.sample_aspect
    short, long = sorted((shown_width, float(facts.height)))
    size = f"{facts.width} x {facts.height} pixels"
    if facts.sample_aspect != 1:
        size += f" of aspect {facts.sample_aspect:g}"
    if short < limits.min_short_side:
        return (
            Refusal.TOO_SMALL,
            f"{size}; the shorter side needs {limits.min_short_side}",
        )
    if long > MAX_ELONGATION * short:
        return Refusal.TOO_ELONGATED, f"{size}: more than {MAX_ELONGATION} times as long as wide"
    if facts.frames < limits.span:
        frames = "1 frame" if facts.frames == 1 else f"{facts.frames} frames"
        return (
            Refusal.TOO_SHORT,
            f"{frames}; a clip of {limits.clip_frames} frames at stride {limits.clip_stride} "
            f"needs {limits.span}",
        )
    return None


def inspect_all(
    candidates: Sequence[Candidate], root: Path, limits: Limits, timeout_s: float, workers: int
) -> list[Accepted | Refused]:
    """Inspect every candidate; results in the order of ``candidates`` for any ``workers``."""
    task = partial(inspect, root=root, limits=limits)
    outcomes = run_isolated(task, candidates, timeout_s, workers)
    return [
        outcome if not isinstance(outcome, Failure) else Refused(candidate.path, *outcome.why)
        for candidate, outcome in zip(candidates, outcomes, strict=True)
    ]


@dataclass(frozen=True)
class Failure:
    """A task that did not come back."""

    why: tuple[Refusal, str]


def run_isolated(
    task: Callable[[Any], Result], inputs: Sequence[Any], timeout_s: float, workers: int
) -> list[Result | Failure]:
    """Run ``task`` on each input in worker processes, each given ``timeout_s`` seconds.

    A hang or a crash becomes a Failure in its place; a Python exception is a bug and is raised.
    """
    if not inputs:
        return []
    # A fresh interpreter per worker: forking would copy locks that other threads may hold.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPool(
        max_workers=min(workers, len(inputs)),
        context=context,
        initializer=die_with_parent,
        initargs=(signal.SIGKILL,),
    )
    try:
        futures = [pool.schedule(task, args=(item,), timeout=timeout_s) for item in inputs]
        progress = track(futures, "index", len(futures), "files")
        return [_outcome(future, timeout_s) for future in progress]
    finally:
        # Everything is done, or an error or Ctrl-C makes the rest pointless.
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


def _outcome(future: Any, timeout_s: float) -> Any:
    try:
        return future.result()
    except TimeoutError:
        return Failure((Refusal.TIMED_OUT, f"not probed within {timeout_s:g} s"))
    except ProcessExpired as error:
        return Failure((Refusal.DECODER_CRASHED, f"the decoder died (exit code {error.exitcode})"))
