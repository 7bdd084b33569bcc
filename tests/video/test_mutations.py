"""Twelve hundred damaged videos: none crashes, hangs or fills the memory, each has an outcome."""

from collections import Counter
from itertools import cycle
from pathlib import Path
from random import Random

import pytest
from containers import make
from mutations import mutated

from dvdgan.data import inspection
from dvdgan.data.inspection import (
    Accepted,
    Inspected,
    Limits,
    Outcome,
    inspect,
    inspect_all,
)
from dvdgan.data.raw_root import LocalRoot, RawRoot
from dvdgan.data.raw_video import RawVideo
from dvdgan.data.refusal import Refusal, Refused

SEED, COUNT = 0, 1200
KINDS = ("mp4", "mp4, header first", "avi", "avi, mjpeg", "webm", "gif")
LIMITS = Limits(min_short_side=16, max_pixels=9_437_184, clip_frames=12, clip_stride=1)
WORKER_MIB = 640  # a worker has 60 MiB before its first file


def inspect_and_weigh(inspected: Inspected, root: RawRoot, limits: Limits) -> tuple[Outcome, int]:
    """The outcome, and the most memory that the process has used so far, in MiB."""
    outcome = inspect(inspected, root, limits)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return outcome, int(status.split("VmHWM:")[1].split()[0]) // 1024


def test_every_mutated_video_has_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, whole = Random(SEED), {kind: make(kind) for kind in KINDS}
    videos = []
    for number, kind in zip(range(COUNT), cycle(KINDS), strict=False):
        content = mutated(whole[kind], random)
        (tmp_path / f"{number}").write_bytes(content)
        videos.append(RawVideo(f"{number}", len(content), 1))
    monkeypatch.setattr(inspection, "inspect", inspect_and_weigh)
    reasons: Counter[Refusal | None] = Counter()
    for video, found in inspect_all(videos, LocalRoot(tmp_path), LIMITS, 30, 2, before={}):
        # A crash or a hang is a Refused of inspect_all's own.
        assert not isinstance(found, Refused), f"{SEED=}: {found}"
        outcome, mebibytes = found  # type: ignore[misc]
        assert mebibytes < WORKER_MIB, f"{SEED=}: {video.path}"
        if isinstance(outcome, Accepted):
            assert outcome.facts.frames >= LIMITS.span
            reasons[None] += 1
        else:
            assert outcome.detail
            reasons[outcome.reason] += 1
    assert reasons.total() == COUNT
    assert reasons[Refusal.UNREADABLE] == 0  # nothing is wrong with the disk
    assert {None, Refusal.TRUNCATED, Refusal.DAMAGED, Refusal.NOT_A_VIDEO} < reasons.keys()


def test_a_header_cannot_ask_for_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run of a fragment that claims 67 million samples took 2.4 GiB."""
    content = make("mp4, fragments")
    flags = content.index(b"trun") + 4
    claim = bytes(4) + (1 << 26).to_bytes(4, "big")
    (tmp_path / "video").write_bytes(content[:flags] + claim + content[flags + 8 :])
    videos = [RawVideo("video", len(content), 1)]
    monkeypatch.setattr(inspection, "inspect", inspect_and_weigh)
    small = Limits(min_short_side=16, max_pixels=10**6, clip_frames=12, clip_stride=1)
    ((_, found),) = inspect_all(videos, LocalRoot(tmp_path), small, 30, 1, before={})
    outcome, mebibytes = found  # type: ignore[misc]
    assert isinstance(outcome, Refused)
    assert "Cannot allocate memory" in outcome.detail
    assert mebibytes < 800
