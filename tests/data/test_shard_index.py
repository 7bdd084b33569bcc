"""Sets of shards that somebody else has written: nothing outside of them is opened or read."""

import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dvdgan.data.dataset import ClipDataset, DamagedShardError
from dvdgan.data.shard_source import LocalShards, StoredShards, splits_of
from dvdgan.errors import UserError
from dvdgan.storage.folder import FolderStore

Index = dict[str, Any]


@pytest.fixture
def other(shards: Path, tmp_path: Path) -> Path:
    """A copy to be made hostile."""
    return Path(shutil.copytree(shards, tmp_path / "set" / "shards"))


def opened(folder: Path, stored: bool) -> ClipDataset:
    source = StoredShards(FolderStore(folder)) if stored else LocalShards(folder)
    return ClipDataset(source, "train", 32, 12, 2)


def in_shards(key: str, value: object) -> Callable[[Index], None]:
    def change(index: Index) -> None:
        index["shards"][0][key] = value

    return change


def in_index(key: str, value: object) -> Callable[[Index], None]:
    return lambda index: index.update({key: value})


INDICES = {
    "parent path": (in_shards("name", "../../x.tar"), "not the file name"),
    "absolute path": (in_shards("name", "/etc/passwd.tar"), "not the file name"),
    "path inside": (in_shards("name", "a/b.tar"), "not the file name"),
    "no name": (in_shards("name", None), "not the file name"),
    "hidden": (in_shards("name", "..tar"), "not the file name"),
    "zero byte": (in_shards("name", "a\0.tar"), "not the file name"),
    "another ending": (in_shards("name", "train.json"), "not the file name"),
    "negative": (in_shards("bytes", -1), "are invalid"),
    "text": (in_shards("bytes", "1"), "are invalid"),
    "sha256": (in_shards("sha256", "../" * 20), "are invalid"),
    "split": (in_shards("split", []), "are invalid"),
    "twice": (lambda index: index["shards"].append(index["shards"][0]), "the same name"),
    "no list": (in_index("shards", 7), "not an index of shards"),
    "no entries": (in_index("shards", [7]), "not an index of shards"),
    "classes": (in_index("classes", [1, 2]), "not a list of names"),
    "short side": (in_index("short_side", 1e9), "not a number of pixels"),
}


@pytest.mark.parametrize("case", INDICES)
@pytest.mark.parametrize("stored", [False, True])
def test_an_index_that_leads_elsewhere_is_refused(other: Path, case: str, stored: bool) -> None:
    change, why = INDICES[case]
    index = json.loads((other / "index.json").read_bytes())
    change(index)
    (other / "index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=why) as raised:
        opened(other, stored)
    assert raised.value.where == str(other / "index.json") and raised.value.todo
    with pytest.raises(UserError, match=why):
        splits_of(LocalShards(other))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000], ids=repr)
def test_an_index_that_is_none_is_refused(other: Path, data: bytes) -> None:
    (other / "index.json").write_bytes(data)
    with pytest.raises(UserError, match="not an index of shards"):
        opened(other, False)


SAMPLES = {
    "parent path": ("shard", "../../x.tar", "not a tar in index.json"),
    "absolute path": ("shard", "/etc/passwd", "not a tar in index.json"),
    "before the tar": ("offset", -512, "outside its tar"),
    "in its header": ("offset", 0, "outside its tar"),
    "beyond the tar": ("offset", 2**62, "outside its tar"),
    "too long": ("size", 2**63 - 1, "outside its tar"),
    "negative": ("size", -1, "no frames"),
    "no frames": ("frames", 0, "no frames"),
    "too many frames": ("frames", 2**62, "no frames"),
    "no class": ("label", 4, "label without a class"),
    "negative class": ("label", -1, "label without a class"),
    "no pixels": ("height", 0, "no pixels"),
    "no rate": ("fps", float("nan"), "no frame rate"),
    "a path": ("id", "../../x", "points outside the tar"),
    "an absolute path": ("id", "/x", "points outside the tar"),
    "nothing": ("size", None, "empty cells"),
}


@pytest.mark.parametrize("case", SAMPLES)
def test_a_sample_outside_of_its_tar_is_refused(other: Path, case: str) -> None:
    column, value, why = SAMPLES[case]
    table = pq.read_table(other / "samples.parquet")
    values = table[column].to_pylist()
    values[table["split"].to_pylist().index("train")] = value
    changed = pa.array(values, table.schema.field(column).type)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, changed), other / "samples.parquet")
    for stored in (False, True):
        with pytest.raises(UserError, match=why) as raised:
            opened(other, stored)
        assert raised.value.where == str(other / "samples.parquet")


def test_a_table_that_is_none_is_refused(other: Path) -> None:
    table = pq.read_table(other / "samples.parquet")
    for wrong in (table.drop_columns(["offset"]), table.drop_columns(["split"]), None):
        if wrong is None:
            (other / "samples.parquet").write_bytes(b"PAR1 nonsense")
        else:
            pq.write_table(wrong, other / "samples.parquet")
        with pytest.raises(UserError, match="not a table of samples"):
            opened(other, False)


@pytest.mark.parametrize("name", ["index.json", "samples.parquet"])
def test_a_set_without_its_tables_is_refused(other: Path, name: str) -> None:
    (other / name).unlink()
    for stored in (False, True):
        with pytest.raises(UserError, match="the shards do not exist") as raised:
            opened(other, stored)
        assert raised.value.where == str(other / name)


MEMBERS: dict[str, dict[str, object]] = {
    "parent path": {"name": "../../x.frames"},
    "absolute path": {"name": "/x.frames"},
    "symbolic link": {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "hard link": {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"},
    "pipe": {"type": tarfile.FIFOTYPE},
    "device": {"type": tarfile.CHRTYPE},
    "folder": {"type": tarfile.DIRTYPE},
    "sparse": {"type": tarfile.GNUTYPE_SPARSE},
    "another size": {"size": 7},
    "no header": {},
}


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("case", MEMBERS)
def test_a_member_that_is_not_the_file_of_its_sample_is_refused(
    other: Path, case: str, stored: bool
) -> None:
    dataset = opened(other, stored)
    tar, at = other / dataset._shards[0], int(dataset._offsets[0])
    info = tarfile.TarInfo(f"{dataset.ids[0]}.frames")
    info.size = int(dataset._sizes[0])
    for name, value in MEMBERS[case].items():
        setattr(info, name, value)
    header = info.tobuf(tarfile.USTAR_FORMAT) if MEMBERS[case] else os.urandom(512)
    with tar.open("r+b") as file:
        file.seek(at - 512)
        file.write(header)
    with pytest.raises(DamagedShardError, match=r"the member there is|there is no member"):
        dataset.read(0, 0, 0, 0)
    dataset.read(1, 0, 0, 0)


def test_a_tar_that_is_no_file_is_damage_and_a_link_to_one_is_not(other: Path) -> None:
    dataset = opened(other, False)
    tar = other / dataset._shards[0]
    clip = dataset.read(0, 0, 0, 0)
    tar.rename(other.parent / "moved.tar")
    tar.symlink_to(other.parent / "moved.tar")  # as DVC's cache may
    assert (dataset.read(0, 0, 0, 0) == clip).all()
    tar.unlink()
    os.mkfifo(tar)
    with pytest.raises(DamagedShardError):
        dataset.read(0, 0, 0, 0)
