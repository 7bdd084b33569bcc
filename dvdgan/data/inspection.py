"""Probe files in processes of their own: a decoder that crashes or hangs costs its file alone.

Each outcome is appended to a file as it is found, so that no file is probed twice: a line of JSON
for each, named by its path, size and time of change (or ETag). A run that was killed leaves at
worst half a line, which is skipped.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pebble import ProcessExpired

from dvdgan.data.memory_limit import memory_limit
from dvdgan.data.raw_root import RawRoot
from dvdgan.data.raw_video import RawVideo
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.workers import run_isolated
from dvdgan.progress import track
from dvdgan.storage.reading import reading
from dvdgan.video.decode import VideoError, VideoFacts

# Longer side over shorter side as shown; beyond it a stored frame is mostly never cropped.
MAX_ELONGATION = 16

# Refusals that may not recur, though the file has not changed.
TRANSIENT = frozenset({Refusal.UNREADABLE, Refusal.TIMED_OUT, Refusal.DECODER_CRASHED})


@dataclass(frozen=True)
class Limits:
    """The requirements for a video: its pixels and its number of consecutive frames."""

    min_short_side: int
    max_pixels: int
    clip_frames: int
    clip_stride: int
    keep_damaged: bool = False
    """Accept the frames before the first damage, where they are enough."""

    @property
    def span(self) -> int:
        """Consecutive source frames a clip covers."""
        return (self.clip_frames - 1) * self.clip_stride + 1

    @property
    def decoder_bytes(self) -> int:
        """What decoding may allocate: H.264 with 16 reference frames of 4:4:4 took 95 a pixel."""
        return (1 << 29) + 128 * self.max_pixels


@dataclass(frozen=True)
class Accepted:
    """A video that can be trained on."""

    video: RawVideo
    sha256: str
    facts: VideoFacts


Outcome = Accepted | Refused


class Inspected(NamedTuple):
    """A video to inspect, and what was found of an earlier version of it, which may be the same."""

    video: RawVideo
    before: Accepted | None = None


def inspect(inspected: Inspected, root: RawRoot, limits: Limits) -> Outcome:
    """Hash and decode one video; the facts, or the first reason against it.

    A video with the bytes of its earlier version is not decoded. Raises StoreUnavailableError.
    """
    video, before = inspected
    try:
        digest = video.sha256(root)
        if before is not None and digest == before.sha256:
            return Accepted(video, digest, before.facts)
        with memory_limit(limits.decoder_bytes):
            facts = video.probe(root, limits.max_pixels, limits.keep_damaged)
    except OSError as error:
        return Refused(video.name, Refusal.UNREADABLE, error.strerror or str(error))
    except MemoryError:
        detail = f"decoding needs more than {limits.decoder_bytes >> 20} MiB"
        return Refused(video.name, Refusal.DAMAGED, detail)
    except VideoError as error:
        return Refused(video.name, Refusal(error.reason.value), error.detail)
    objection = _objection(facts, limits)
    if objection is not None:
        return Refused(video.name, *objection)
    return Accepted(video, digest, facts)


def _objection(facts: VideoFacts, limits: Limits) -> tuple[Refusal, str] | None:
    shown_width = facts.width * facts.sample_aspect
    short, long = sorted((shown_width, float(facts.height)))
    size = f"{facts.width} x {facts.height} pixels"
    if facts.sample_aspect != 1:
        size += f" of aspect {facts.sample_aspect:g}"
    if short < limits.min_short_side:
        return (
            Refusal.TOO_SMALL,
            f"{size}; the shorter side must have {limits.min_short_side} pixels or more",
        )
    if long > MAX_ELONGATION * short:
        return (
            Refusal.TOO_ELONGATED,
            f"{size}: the longer side is more than {MAX_ELONGATION} times the shorter one",
        )
    if facts.frames < limits.span:
        frames = "1 frame" if facts.frames == 1 else f"{facts.frames} frames"
        return (
            Refusal.TOO_SHORT,
            f"{frames}; a clip of {limits.clip_frames} frames at stride {limits.clip_stride} "
            f"needs {limits.span}",
        )
    return None


def inspect_all(
    videos: Sequence[RawVideo],
    root: RawRoot,
    limits: Limits,
    timeout_s: float,
    workers: int,
    before: Mapping[str, Accepted],
) -> Iterator[tuple[RawVideo, Outcome]]:
    """Inspect every video in worker processes, each in ``timeout_s`` seconds.

    ``before``: id -> outcome of an earlier version of the video, which may be the same.

    Yields in the order they finish. A hang or a crash of the decoder is a refusal of its file; a
    Python exception is a bug and is raised.
    """
    if not videos:
        return
    task = partial(inspect, root=root, limits=limits)
    inspected = [Inspected(video, before.get(video.id)) for video in videos]
    done = run_isolated(task, inspected, timeout_s, workers)
    for (video, _), future in track(done, "index", len(videos), "videos"):
        try:
            yield video, future.result()
        except TimeoutError:
            detail = f"not probed within {timeout_s:g} s"
            yield video, Refused(video.name, Refusal.TIMED_OUT, detail)
        except ProcessExpired as error:
            detail = f"the decoder died (exit code {error.exitcode})"
            yield video, Refused(video.name, Refusal.DECODER_CRASHED, detail)


def read_outcomes(folder: Path) -> dict[RawVideo, Outcome]:
    """The outcomes that earlier runs, on any machine, wrote to ``folder``."""
    known: dict[RawVideo, Outcome] = {}
    for file in sorted(folder.glob("*.jsonl")):
        with file.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                except json.JSONDecodeError:  # the end of a killed run
                    continue
                with reading(file, "a file of outcomes"):
                    video = RawVideo(**record["file"])
                    known[video] = _outcome(video, record)
    return known


@contextmanager
def append_outcomes(file: Path) -> Iterator[Callable[[RawVideo, Outcome], None]]:
    """Give a function that appends an outcome to ``file``, unless it is TRANSIENT."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="ascii", buffering=1) as lines:

        def append(video: RawVideo, outcome: Outcome) -> None:
            if isinstance(outcome, Accepted):
                found = {"sha256": outcome.sha256, "facts": asdict(outcome.facts)}
            elif outcome.reason in TRANSIENT:
                return
            else:
                found = {"refused": astuple(outcome)}
            # The line break comes first, so that half a line is never continued.
            lines.write("\n" + json.dumps({"file": asdict(video), **found}))

        yield append


def _outcome(video: RawVideo, record: dict[str, object]) -> Outcome:
    match record:
        case {"sha256": str(digest), "facts": dict(facts)}:
            return Accepted(video, digest, VideoFacts(**facts))
        case {"refused": [str(path), str(reason), str(detail)]}:
            return Refused(path, Refusal(reason), detail)
    raise ValueError(f"not an outcome: {record}")
