"""Probe files in processes of their own: a decoder that crashes or hangs costs its file alone."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pebble import ProcessExpired

from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.scan import FoundVideo
from dvdgan.data.workers import worker_pool
from dvdgan.progress import Progress
from dvdgan.storage.local import sha256_of_file
from dvdgan.video.decode import VideoError, VideoFacts, probe

# Longer side over shorter side as shown; beyond it a stored frame is mostly never cropped.
MAX_ELONGATION = 16

# Files handed out per worker.
AHEAD = 4

Item = TypeVar("Item")
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


Outcome = Accepted | Refused


def inspect(candidate: FoundVideo, root: Path, limits: Limits) -> Outcome:
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
    candidates: Sequence[FoundVideo], root: Path, limits: Limits, timeout_s: float, workers: int
) -> Iterator[tuple[FoundVideo, Outcome]]:
    """Inspect every candidate in worker processes, each in ``timeout_s`` seconds.

    Yields in the order they finish. A hang or a crash of the decoder is a refusal of its file; a
    Python exception is a bug and is raised.
    """
    task = partial(inspect, root=root, limits=limits)
    for candidate, future in run_isolated(task, candidates, timeout_s, workers):
        try:
            yield candidate, future.result()
        except TimeoutError:
            detail = f"not probed within {timeout_s:g} s"
            yield candidate, Refused(candidate.path, Refusal.TIMED_OUT, detail)
        except ProcessExpired as error:
            detail = f"the decoder died (exit code {error.exitcode})"
            yield candidate, Refused(candidate.path, Refusal.DECODER_CRASHED, detail)


def run_isolated(
    task: Callable[[Item], Result], items: Sequence[Item], timeout_s: float, workers: int
) -> Iterator[tuple[Item, "Future[Result]"]]:
    """Run ``task`` on each item in ``workers`` processes; yield item and future as they finish.

    No process is started where there is no item.
    """
    if not items:
        return
    rest = iter(items)
    running: dict[Future[Result], Item] = {}
    with (
        Progress("index", len(items), "files") as progress,
        worker_pool(min(workers, len(items))) as pool,
    ):
        while True:
            # A few ahead keep the workers busy; all at once would fill the memory.
            for item in islice(rest, AHEAD * workers - len(running)):
                running[pool.schedule(task, args=(item,), timeout=timeout_s)] = item
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future
                progress.advance()
