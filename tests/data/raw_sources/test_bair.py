"""BAIR robot pushing, read from imitations that are written byte by byte."""

import hashlib
import io
import random
from collections.abc import Callable
from pathlib import Path

import boto3
import numpy as np
import pytest
from PIL import Image
from raw_index import manifest_of, section
from robot_pushing import (
    arm_video,
    byte_string,
    example,
    example_of,
    framed,
    write_robot_pushing,
)
from s3_server import s3_server
from tensorboard.summary.writer.record_writer import RecordWriter

from dvdgan.config.schema import Shard
from dvdgan.data.frame_pack import read_window
from dvdgan.data.inspection import Accepted, Inspected, Limits, inspect
from dvdgan.data.raw_root import LocalRoot
from dvdgan.data.raw_sources.bair import BAIR
from dvdgan.data.raw_video import RawVideo, video_of
from dvdgan.data.refusal import Refusal
from dvdgan.data.shards import plan_shards, write_shards
from dvdgan.data.tfrecord import read_record, record_spans
from dvdgan.errors import UserError
from dvdgan.storage.local import read_json
from dvdgan.video.image import decode_frame

TWO_FRAMES = Limits(min_short_side=64, max_pixels=4096, clip_frames=2, clip_stride=1)
FOLDER = "softmotion30_44k/train"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bair")
    write_robot_pushing(root, train=5, test=2, per_file=3)
    return root


def test_every_record_is_a_video_of_the_split_it_lies_in(published: Path, tmp_path: Path) -> None:
    rows = manifest_of(section(published, source="bair"), tmp_path).videos
    found = {(row["path"], row["member"]): row for row in rows}
    train, test = "softmotion30_44k/train/traj_", "softmotion30_44k/test/traj_"
    numbers = {
        **{(f"{train}0_to_2.tfrecords", str(place)): place for place in range(3)},
        **{(f"{train}3_to_4.tfrecords", str(place)): 3 + place for place in range(2)},
        **{(f"{test}0_to_1.tfrecords", str(place)): 5 + place for place in range(2)},
    }
    assert found.keys() == numbers.keys()
    for key, number in numbers.items():
        row, data = found[key], example(arm_video(number))
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        assert row["bytes"] == len(data)
        assert (row["frames"], row["width"], row["height"]) == (30, 64, 64)
        assert (row["class"], row["split"]) == ("robot_pushing", key[0].split("/")[1])
        frames = np.stack(list(video_of(row).frames(LocalRoot(published))))
        assert np.array_equal(frames, arm_video(number))  # exactly, and of the other camera none
    assert len({row["id"] for row in rows}) == len({row["group"] for row in rows}) == 7


def test_shards_hold_the_frames(published: Path, tmp_path: Path) -> None:
    rows = manifest_of(section(published, source="bair"), tmp_path).videos
    plans = plan_shards(rows, videos_per_shard=8)
    params = Shard(short_side=64, quality=95, videos_per_shard=8)
    write_shards(plans, LocalRoot(published), params, tmp_path, workers=1)
    numbers = {row["id"]: 3 * ("3_to_4" in row["path"]) + int(row["member"]) for row in rows}
    [train] = [plan for plan in plans if plan.split == "train"]
    tar = (tmp_path / "shards" / train.name).read_bytes()
    samples = read_json(tmp_path / "done" / f"{train.name}.json")["samples"]
    assert len(samples) == 5
    for sample in samples:
        jpegs = read_window(
            lambda start, length: tar[start : start + length],
            sample["offset"],
            sample["size"],
            range(30),
        )
        decoded = np.stack([decode_frame(jpeg) for jpeg in jpegs]).astype(int)
        assert np.abs(decoded - arm_video(numbers[sample["id"]])).mean() < 3


def test_the_table_reads_the_lengths_alone(published: Path) -> None:
    read: list[int] = []

    class Counted(LocalRoot):
        def read(self, path: str, start: int, length: int) -> bytes:
            read.append(length)
            return super().read(path, start, length)

        def open(self, path: str) -> io.BufferedReader:
            raise AssertionError("nothing is opened")

    root = Counted(published)
    assert len(BAIR.read(root.list(), root, section(published, source="bair")).rows) == 7
    assert read == [12] * 7


def test_a_bucket_gives_the_same_manifest(published: Path, tmp_path: Path) -> None:
    local = manifest_of(section(published, source="bair"), tmp_path / "local")
    with s3_server("robots"):
        for file in published.rglob("*.tfrecords"):
            key = f"bair/{file.relative_to(published).as_posix()}"
            boto3.client("s3").upload_file(str(file), "robots", key)
        stored = manifest_of(section("s3://robots/bair", source="bair"), tmp_path / "stored")
    assert stored.videos == local.videos
    assert stored.refused == local.refused == []


def test_a_file_that_was_cut_since_it_was_listed_is_unreadable(tmp_path: Path) -> None:
    write_robot_pushing(tmp_path / "bair", train=2, test=0, per_file=2, frames=2)
    root = LocalRoot(tmp_path / "bair")
    rows = BAIR.read(root.list(), root, section(root.folder, source="bair")).rows
    file = root.folder / rows[1].path
    file.write_bytes(file.read_bytes()[:-1])
    videos = [
        RawVideo(row.path, 1, member=row.member, offset=row.offset, length=row.length)
        for row in rows
    ]
    whole, cut = (inspect(Inspected(video), root, TWO_FRAMES) for video in videos)
    assert isinstance(whole, Accepted)
    assert (cut.path, cut.reason) == (f"{rows[1].path} (1)", Refusal.UNREADABLE)
    assert f"the file ends at byte {file.stat().st_size}" in cut.detail


def test_records_are_those_another_library_writes() -> None:
    records = [b"", b"a", bytes(range(256)) * 30]
    buffer = io.BytesIO()
    buffer.close, written = lambda: None, RecordWriter(buffer)  # type: ignore[method-assign]
    for record in records:
        written.write(record)
    content = buffer.getvalue()
    assert content == b"".join(map(framed, records))

    def read(start: int, length: int) -> bytes:
        return content[start : start + length]

    spans, problem = record_spans(read, len(content))
    assert problem is None
    assert [read_record(read, *span) for span in spans] == records


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def png(frame: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "png")
    return buffer.getvalue()


def without_frame(time: int) -> bytes:
    entries = [(t, frame.tobytes()) for t, frame in enumerate(arm_video(8, 3)) if t != time]
    return example_of([byte_string(f"{t}/image_aux1/encoded", value) for t, value in entries])


GOOD = [framed(example(arm_video(number, 2))) for number in range(3)]
SIZE = len(GOOD[0])
DAMAGED = {  # file -> accepted records, refused paths and what their details contain
    "data.tfrecords": (
        GOOD[0] + flipped(GOOD[1], 3000) + GOOD[2],
        ["0", "2"],
        ("(1)", Refusal.DAMAGED, "the checksum of the record is wrong"),
    ),
    "length.tfrecords": (
        GOOD[0] + flipped(GOOD[1], 0) + GOOD[2],
        ["0"],
        (
            "",
            Refusal.DAMAGED,
            f"record 1 and all following ones are lost: no record begins at {SIZE}",
        ),
    ),
    "enormous.tfrecords": (
        GOOD[0] + b"\xff" * 8 + framed(b"\xff" * 8)[12:20] + GOOD[2],
        ["0"],
        ("", Refusal.DAMAGED, "record 1 and all following ones are lost"),
    ),
    "cut_in_data.tfrecords": (
        (GOOD[0] + GOOD[1])[:-1],
        ["0"],
        ("", Refusal.DAMAGED, f"ends within record 1, at byte {2 * SIZE - 1} of {2 * SIZE}"),
    ),
    "cut_in_length.tfrecords": (
        GOOD[0] + GOOD[1][:11],
        ["0"],
        ("", Refusal.DAMAGED, f"ends within record 1, at byte {SIZE + 11}"),
    ),
    "no_example.tfrecords": (
        framed(b"\xff" * 90) + GOOD[0],
        ["1"],
        ("(0)", Refusal.DAMAGED, "not a tf.train.Example"),
    ),
    "gap.tfrecords": (
        GOOD[0] + framed(without_frame(1)),
        ["0"],
        ("(1)", Refusal.DAMAGED, "frame 1 is not there"),
    ),
    "other_camera.tfrecords": (
        GOOD[0] + framed(example_of([byte_string("0/image_view0/encoded", bytes(12288))])),
        ["0"],
        ("(1)", Refusal.NO_VIDEO_STREAM, "no feature 0/image_aux1/encoded"),
    ),
    "picture.tfrecords": (
        GOOD[0]
        + framed(example_of([byte_string("0/image_aux1/encoded", png(arm_video(0, 1)[0]))])),
        ["0"],
        ("(1)", Refusal.NOT_A_VIDEO, "frame 0 is a PNG picture"),
    ),
    "small.tfrecords": (
        GOOD[0] + framed(example_of([byte_string("0/image_aux1/encoded", bytes(48 * 64 * 3))])),
        ["0"],
        ("(1)", Refusal.DAMAGED, "frame 0 has 9216 bytes; 64 x 64 x 3 are 12288"),
    ),
}


def test_damage_is_refused_and_what_is_whole_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "bair" / FOLDER
    folder.mkdir(parents=True)
    names = {f"traj_{place}_to_{place}.tfrecords": each for place, each in enumerate(DAMAGED)}
    for name, case in names.items():
        (folder / name).write_bytes(DAMAGED[case][0])
    (folder / "README.md").write_text("not one of them")
    found = manifest_of(
        section(tmp_path / "bair", source="bair"), tmp_path / "kept", limits=TWO_FRAMES
    )
    refused = {each.path.removeprefix(f"{FOLDER}/"): each for each in found.refused}
    assert refused.pop("README.md").reason == Refusal.NOT_IN_THE_TABLE
    for name, case in names.items():
        _, members, (place, reason, detail) = DAMAGED[case]
        own = [row["member"] for row in found.videos if row["path"] == f"{FOLDER}/{name}"]
        assert own == members, case
        refusal = refused.pop(f"{name} {place}".strip())
        assert refusal.reason == reason, case
        assert detail in refusal.detail, case
    assert not refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: (root / "video.mp4").write_bytes(b"0"), "there is no {train,test}/traj_"),
        (
            lambda root: (
                write_robot_pushing(root / "a", 1, 0, 1, 2)
                or (root / "a/softmotion30_44k/train").rename(root / "everything")
            ),
            "'everything' is not the name of a split",
        ),
    ],
)
def test_another_layout_is_named(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path)
    with pytest.raises(UserError, match=message):
        manifest_of(section(tmp_path, source="bair"), tmp_path.parent / "kept")


def test_mutated_files_are_refused_or_whole(tmp_path: Path) -> None:
    folder, rng = tmp_path / "bair" / FOLDER, random.Random(15)
    folder.mkdir(parents=True)
    whole = b"".join(GOOD)
    for number in range(100):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            # As often in the framing as in the data.
            place = rng.choice([rng.randrange(len(content)), rng.randrange(3) * SIZE])
            place = min(place + rng.randrange(16), len(content) - 1)
            match rng.randrange(4):
                case 0:
                    content[place] ^= 1 << rng.randrange(8)
                case 1:
                    del content[place:]
                case 2:
                    del content[place : place + rng.randint(1, 40)]
                case 3:
                    content[place:place] = rng.randbytes(rng.randint(1, 40))
            content = content or bytearray(1)
        (folder / f"traj_{number}_to_{number}.tfrecords").write_bytes(content)
    index = section(tmp_path / "bair", source="bair")
    found = manifest_of(index, tmp_path / "kept", limits=TWO_FRAMES)
    originals = {hashlib.sha256(each[12:-4]).hexdigest() for each in GOOD}
    assert {row["sha256"] for row in found.videos} == originals
    files = {row["path"] for row in found.videos} | {
        each.path.partition(" ")[0] for each in found.refused
    }
    assert len(files) == 100
    assert 50 < len(found.refused) < 300
    assert all(each.detail for each in found.refused)
