"""What a block may allocate is bounded, and only there."""

from pathlib import Path

import numpy as np
import pytest

from dvdgan.data.inspection import Inspected, Limits, inspect
from dvdgan.data.memory_limit import memory_limit
from dvdgan.data.raw_root import LocalRoot
from dvdgan.data.raw_video import RawVideo
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.video import decode

MIB = 1 << 20


def test_a_block_can_allocate_so_much_and_no_more() -> None:
    with memory_limit(256 * MIB):
        np.ones(64 * MIB, np.uint8)
        with pytest.raises(MemoryError):
            np.ones(512 * MIB, np.uint8)
        with memory_limit(1024 * MIB), pytest.raises(MemoryError):  # never looser inside
            np.ones(512 * MIB, np.uint8)
    np.ones(512 * MIB, np.uint8)


def hungry(*_: object) -> None:
    np.ones(4096 * MIB, np.uint8)


def test_a_video_that_needs_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "probe", hungry)
    (tmp_path / "video").write_bytes(b"video")
    limits = Limits(min_short_side=16, max_pixels=10**6, clip_frames=12, clip_stride=1)
    outcome = inspect(Inspected(RawVideo("video", 5, 1)), LocalRoot(tmp_path), limits)
    assert outcome == Refused("video", Refusal.DAMAGED, "decoding needs more than 634 MiB")
