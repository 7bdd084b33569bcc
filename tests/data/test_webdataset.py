"""The shards read by webdataset, as docs/stages/shard.md shows: the clips of our own reader."""

import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.frame_pack import decode_sample

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "stages" / "shard.md"


def documented() -> str:
    """The code block that reads the shards by webdataset."""
    blocks = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.M | re.DOTALL)
    (block,) = [block for block in blocks if "webdataset" in block]
    return str(block)


def as_rows(clips: Any, labels: Any) -> list[tuple[int, bytes]]:
    return [(int(y), np.asarray(x).tobytes()) for x, y in zip(clips, labels, strict=True)]


def test_the_documented_lines_give_the_clips_of_the_trainers_reader(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "shards").symlink_to(shards)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(documented(), names)
    assert names["clips"].shape[1:] == (12, 32, 32, 3) and len(names["labels"]) <= 4
    found = [row for batch in names["loader"] for row in as_rows(*batch)]
    data = ClipDataset(shards, "train", 32, 12, 2)
    expected = as_rows([data.read(video, 0, 0, 0) for video in range(len(data))], data.labels)
    assert len(set(expected)) > 1
    assert sorted(found) == sorted(expected)


def test_the_documented_lines_are_few() -> None:
    assert len([line for line in documented().splitlines() if line]) <= 15


def test_without_a_window_all_frames_are_decoded(shards: Path) -> None:
    tars = [str(path) for path in sorted(shards.glob("test-*.tar"))]
    data = ClipDataset(shards, "test", 32, 32, 1)
    decoded = list(webdataset.WebDataset(tars, shardshuffle=False).map(decode_sample))
    for video, (frames, label) in enumerate(decoded):
        assert (frames == data.read(video, 0, 0, 0)).all()
        assert label == data.labels[video]
    assert len(decoded) == len(data)


def test_a_member_that_is_cut_is_refused(shards: Path) -> None:
    with tarfile.open(next(shards.glob("*.tar"))) as tar:
        members = {member.name.split(".")[1]: tar.extractfile(member) for member in tar}
        sample = {name: file.read() for name, file in members.items() if file is not None}
    whole, _ = decode_sample(sample)
    cut = {**sample, "frames": sample["frames"][:-100]}
    assert (decode_sample(cut, range(0, 8))[0] == whole[:8]).all()
    with pytest.raises(ValueError, match="damaged"):
        decode_sample(cut)
