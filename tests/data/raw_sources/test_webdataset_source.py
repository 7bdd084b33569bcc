"""WebDataset as a source, read from tars that webdataset writes."""

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
import webdataset
from raw_index import manifest_of, section
from s3_server import s3_server
from tars import LIMITS, header, read_tars, refused, video, write_tar

from dvdgan.config.schema import Shard
from dvdgan.data.raw_root import LocalRoot, open_root
from dvdgan.data.raw_sources.webdataset import WEBDATASET, split_of
from dvdgan.data.raw_video import RawVideo, video_of
from dvdgan.data.refusal import Refusal
from dvdgan.data.shards import plan_shards, write_shards
from dvdgan.errors import UserError
from dvdgan.storage.local import read_json
from dvdgan.video import decode


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards to train and one to test, as webdataset writes them."""
    root = tmp_path_factory.mktemp("webdataset")
    (root / "classes.txt").write_text("jump\nrun\nwave a hand\n", encoding="utf-8")
    number = 0
    for name in ("train-00000.tar", "train-00001.tar", "val-00000.tar"):
        with webdataset.TarWriter(str(root / name)) as writer:
            for ending in ("mp4", "avi", "webm", "mkv", "mov", "gif"):
                sample: dict[str, Any] = {"__key__": f"clips/{number:06d}"}
                sample[ending] = video(number, ending)
                match number % 4:
                    case 0:
                        sample["cls"] = number % 3
                    case 1:
                        sample["json"] = {"label": number % 3, "caption": "a person"}
                    case 2:
                        sample["json"] = {"class": ("jump", "run", "wave a hand")[number % 3]}
                    case 3:
                        sample["txt"] = ("jump", "run", "wave a hand")[number % 3]
                writer.write(sample)
                number += 1
    return root


def test_every_sample_is_a_video_of_its_class_and_split(published: Path, tmp_path: Path) -> None:
    found = manifest_of(section(published, source="webdataset"), tmp_path, limits=LIMITS)
    assert found.refused == []
    samples = {
        (name, sample["__key__"]): sample
        for name in ("train-00000.tar", "train-00001.tar", "val-00000.tar")
        for sample in webdataset.WebDataset(str(published / name), shardshuffle=False)
    }
    assert len(found.videos) == len(samples) == 18
    for row in found.videos:
        key, _, ending = row["member"].rpartition(".")
        content = samples[row["path"], key][ending]
        number = int(key.removeprefix("clips/"))
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert row["bytes"] == len(content)
        assert row["class"] == ("jump", "run", "wave a hand")[number % 3]
        assert row["split"] == ("test" if row["path"].startswith("val") else "train")
        own = np.stack(list(video_of(row).frames(LocalRoot(published))))
        assert np.array_equal(own, np.stack(list(decode.frames(io.BytesIO(content)))))


def test_shards_hold_what_the_members_decode_to(published: Path, tmp_path: Path) -> None:
    rows = manifest_of(section(published, source="webdataset"), tmp_path, limits=LIMITS).videos
    plans = plan_shards(rows, videos_per_shard=32)
    params = Shard(short_side=32, quality=95, videos_per_shard=32)
    write_shards(plans, LocalRoot(published), params, tmp_path, workers=1)
    counts = [len(read_json(tmp_path / "done" / f"{each.name}.json")["samples"]) for each in plans]
    assert counts == [12, 6]


def test_a_bucket_has_the_same_table_and_the_same_bytes(published: Path) -> None:
    local, index = LocalRoot(published), section(published, source="webdataset")
    expected = WEBDATASET.read(local.list(), local, index)
    with s3_server("tars"):
        for file in published.iterdir():
            boto3.client("s3").upload_file(str(file), "tars", f"in/{file.name}")
        root = open_root("s3://tars/in")
        table = WEBDATASET.read(root.list(), root, index)
        assert table == expected
        for row in table.rows[:4]:
            place = {"member": row.member, "offset": row.offset, "length": row.length}
            video = RawVideo(row.path, 0, **place)
            assert video.sha256(root) == video.sha256(local)
            assert video.probe(root, 10**6) == video.probe(local, 10**6)


def test_the_table_reads_headers_and_classes_and_no_large_member(tmp_path: Path) -> None:
    read: list[int] = []

    class Counted(LocalRoot):
        def read(self, path: str, start: int, length: int) -> bytes:
            read.append(length)
            return super().read(path, start, length)

    members = {}
    for number in range(8):
        members |= {f"{number}.mp4": bytes(2 << 20), f"{number}.cls": b"0"}
    write_tar(tmp_path / "a.tar", members)
    root = Counted(tmp_path)
    table = WEBDATASET.read(root.list(), root, section(tmp_path, source="webdataset"))
    assert len(table.rows) == 8
    assert sum(read) < 2 << 20


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train-00000.tar", "train"),
        ("kinetics600_validation_0001.tar", "test"),
        ("test/00000.tar", "test"),
        ("train/part-1/00000.tar", "train"),
        ("val/shard_train.tar", "train"),
        ("train_test-0.tar", None),
        ("shard-000000.tar", None),
        ("trainer/latest.tar", None),
    ],
)
def test_the_split_is_a_word_of_the_name_or_a_folder(path: str, split: str | None) -> None:
    assert split_of(path) == split


def test_samples_that_are_not_one_video_and_its_class_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "tars"
    root.mkdir()
    good = video(1)
    with tarfile.open(root / "a.tar", "w") as tar:
        for name, content in [
            ("twice.mp4", good),
            ("twice.mp4", video(2)),
            ("twice.cls", b"jump"),
            ("twice.cls", b"run"),
            ("two.mp4", video(3)),
            ("two.depth.webm", good),
            ("two.cls", b"jump"),
            ("no_video.cls", b"jump"),
            ("no_video.jpg", b""),
            ("no_class.mp4", good),
            ("long.mp4", good),
            ("long.txt", b"a caption that goes on " * 20),
            ("list.mp4", good),
            ("list.json", b'["jump"]'),
            ("broken.mp4", good),
            ("broken.json", b"{"),
            ("deep.mp4", good),
            ("deep.json", b"[" * 100_000),
            ("binary.mp4", good),
            ("binary.cls", b"\xff\xfe"),
            ("beyond.mp4", good),
            ("beyond.cls", b"7"),
            ("text.mp4", b"<html>404</html>"),
            ("text.cls", b"jump"),
        ]:
            tar.addfile(header(name, size=len(content)), io.BytesIO(content))
    (root / "classes.txt").write_text("jump\nrun\n")
    (root / "b.tar.gz").write_bytes(b"compressed")
    found = read_tars(root)
    accepted = {row["member"]: (row["class"], row["sha256"]) for row in found.videos}
    assert accepted == {
        "twice.mp4": ("jump", hashlib.sha256(good).hexdigest()),
        "two.mp4": ("jump", hashlib.sha256(video(3)).hexdigest()),
    }
    incomplete = Refusal.INCOMPLETE_SAMPLE
    expected = {
        "a.tar (twice.mp4)": (Refusal.DUPLICATE_MEMBER, "already has twice.mp4"),
        "a.tar (twice.cls)": (Refusal.DUPLICATE_MEMBER, "already has twice.cls"),
        "a.tar (two.depth.webm)": (Refusal.DUPLICATE_MEMBER, "already has two.mp4"),
        "a.tar (no_video)": (incomplete, "no video: none of mp4"),
        "a.tar (no_class.mp4)": (incomplete, "no class: none of cls, json, txt"),
        "a.tar (long.mp4)": (incomplete, "long.txt is not the name of a class"),
        "a.tar (list.mp4)": (incomplete, "list.json is not the name of a class"),
        "a.tar (broken.mp4)": (incomplete, "broken.json is not UTF-8 text of JSON"),
        "a.tar (deep.mp4)": (incomplete, "deep.json is not UTF-8 text of JSON"),
        "a.tar (binary.mp4)": (incomplete, "binary.cls is not UTF-8 text"),
        "a.tar (beyond.mp4)": (incomplete, "beyond.cls is 7, but classes.txt has 2 lines"),
        "a.tar (text.mp4)": (Refusal.NOT_A_VIDEO, "container"),
        "b.tar.gz": (Refusal.NOT_IN_THE_TABLE, "decompress"),
    }
    own = refused(found)
    assert own.keys() == expected.keys()
    for path, (reason, detail) in expected.items():
        assert own[path][0] == reason, path
        assert detail in own[path][1], path


def test_another_layout_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(b"0")
    with pytest.raises(UserError, match=r"only compressed tars, such as a\.tgz"):
        read_tars(tmp_path)
    (tmp_path / "a.tgz").rename(tmp_path / "a.mp4")
    with pytest.raises(UserError, match=r"there are no \*\.tar files"):
        read_tars(tmp_path)
