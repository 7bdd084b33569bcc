"""A decoder that dies or hangs costs one file; outcomes are kept, and changed files probed anew."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from raw_index import manifest_of, section

from dvdgan.data import inspection
from dvdgan.data.inspection import (
    Accepted,
    Inspected,
    Limits,
    Outcome,
    append_outcomes,
    inspect_all,
    read_outcomes,
)
from dvdgan.data.manifest import write_manifest
from dvdgan.data.raw_root import LocalRoot, RawRoot
from dvdgan.data.raw_video import RawVideo
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.samples import encode_sample
from dvdgan.storage.local import sha256_of_file
from dvdgan.video.decode import VideoFacts

KEPT = "outcomes"
HERE = LocalRoot(Path())
LIMITS = Limits(min_short_side=32, max_pixels=10**6, clip_frames=12, clip_stride=1)


def behave(kind: str) -> str:
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "hang":
        time.sleep(600)
    if kind == "bug":
        raise ZeroDivisionError(kind)
    return kind.upper()


def behave_as_file(inspected: Inspected, root: RawRoot, limits: Limits) -> Refused:
    return Refused(behave(inspected.video.path), Refusal.DAMAGED, "")


def files(*names: str) -> list[RawVideo]:
    return [RawVideo(name, size=1, mtime_ns=1) for name in names]


def test_crashes_and_hangs_are_contained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "inspect", behave_as_file)
    videos = files("a", "crash", "b", "hang", "c")
    outcomes = dict(inspect_all(videos, HERE, LIMITS, timeout_s=2, workers=2, before={}))
    assert [outcomes[video] for video in videos] == [
        Refused("A", Refusal.DAMAGED, ""),
        Refused("crash", Refusal.DECODER_CRASHED, "the decoder died (exit code -11)"),
        Refused("B", Refusal.DAMAGED, ""),
        Refused("hang", Refusal.TIMED_OUT, "not probed within 2 s"),
        Refused("C", Refusal.DAMAGED, ""),
    ]


def test_a_bug_is_not_taken_for_a_bad_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "inspect", behave_as_file)
    with pytest.raises(ZeroDivisionError):
        list(inspect_all(files("a", "bug"), HERE, LIMITS, 60, workers=1, before={}))


@pytest.fixture
def root(tmp_path: Path, synthetic_videos: Path) -> Path:
    """Twelve good videos and one bad one."""
    folder = tmp_path / "videos"
    shutil.copytree(synthetic_videos, folder)
    (folder / "circle_right" / "bad\n.mp4").write_bytes(b"no video")
    return folder


def written(root: Path, kept: Path, out: Path) -> tuple[int, list[str]]:
    """How many files were probed, and the digests of what was written."""
    manifest = manifest_of(section(root), kept, workers=2, limits=LIMITS)
    write_manifest(manifest, out)
    return manifest.probed, [sha256_of_file(path) for path in sorted(out.iterdir())]


def test_a_second_run_probes_nothing_and_writes_the_same(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed, cold = written(root, tmp_path / KEPT, tmp_path / "out")
    assert probed == 13
    monkeypatch.delattr(inspection, "run_isolated")
    assert written(root, tmp_path / KEPT, tmp_path / "out") == (0, cold)


def test_only_what_changed_is_probed_anew(root: Path, tmp_path: Path) -> None:
    written(root, tmp_path / KEPT, tmp_path / "out")
    first, second, third = sorted((root / "ring_growing").iterdir())
    os.utime(first, ns=(1, 1))  # another time, equal bytes
    third.unlink()
    kept_time = second.stat().st_mtime_ns
    second.write_bytes(second.read_bytes() + b"\0" * 8)  # other bytes, equal time
    os.utime(second, ns=(kept_time, kept_time))
    shutil.copy(first, root / "ring_growing" / "new.mp4")
    probed, warm = written(root, tmp_path / KEPT, tmp_path / "out")
    assert probed == 2  # the touched one has the bytes it had
    assert (13, warm) == written(root, tmp_path / "fresh" / KEPT, tmp_path / "fresh_out")


def test_half_a_line_costs_its_file_alone(root: Path, tmp_path: Path) -> None:
    kept = tmp_path / KEPT
    _, whole = written(root, kept, tmp_path / "out")
    [file] = kept.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    assert written(root, kept, tmp_path / "out") == (1, whole)
    assert written(root, kept, tmp_path / "out") == (0, whole)


def test_outcomes_come_back_as_they_were(tmp_path: Path) -> None:
    facts = VideoFacts(7, 1000 / 1001, 64, 48, 0.1 + 0.2, 1e-300, "h264")
    outcomes: dict[RawVideo, Outcome] = {
        RawVideo(path, size, 2**62, start=0.1 + 0.2): Accepted(
            RawVideo(path, size, 2**62, start=0.1 + 0.2), "0f" * 32, facts
        )
        for size, path in enumerate(["класс/é.mp4", "класс/e\u0301.mp4", 'класс/\n\r"\\\u2028'])
    }
    refused = RawVideo("класс/🎞", 9, etag='"é"')
    outcomes[refused] = Refused("класс/🎞", Refusal.TOO_SHORT, "1 frame; needs 12")
    with append_outcomes(tmp_path / KEPT / "1-of-1.jsonl") as append:
        for video, outcome in outcomes.items():
            append(video, outcome)
            assert read_outcomes(tmp_path / KEPT)[video] == outcome  # at once, not at the end
    assert read_outcomes(tmp_path / KEPT) == outcomes


@pytest.mark.parametrize("reason", [Refusal.TIMED_OUT, Refusal.DECODER_CRASHED, Refusal.UNREADABLE])
def test_a_refusal_that_may_not_recur_is_not_kept(tmp_path: Path, reason: Refusal) -> None:
    with append_outcomes(tmp_path / KEPT / "1-of-1.jsonl") as append:
        append(RawVideo("a/1.mp4", 1, 1), Refused("a/1.mp4", reason, "this time"))
    assert read_outcomes(tmp_path / KEPT) == {}


def test_the_good_beginning_of_a_damaged_video_is_kept_on_request(
    hostile_files: Path, tmp_path: Path
) -> None:
    names = {"truncated_faststart.mp4": 49, "static.mp4": 50}
    folder = tmp_path / "videos" / "class"
    folder.mkdir(parents=True)
    for name in (*names, "bitflips_2.mp4"):  # of which the first frame is damaged
        shutil.copy(hostile_files / name, folder)
    refusing = manifest_of(section(folder.parent), tmp_path / KEPT)
    assert [row["path"] for row in refusing.videos] == ["class/static.mp4"]
    keeping = Limits(32, 10**6, 12, 1, keep_damaged=True)
    manifest = manifest_of(section(folder.parent), tmp_path / "keeping", limits=keeping)
    frames = {row["path"].rpartition("/")[2]: row["frames"] for row in manifest.videos}
    assert frames == names
    for row in manifest.videos:
        sample = encode_sample(row, LocalRoot(folder.parent), short_side=32, quality=90)
        assert json.loads(sample["json"])["frames"] == row["frames"]
