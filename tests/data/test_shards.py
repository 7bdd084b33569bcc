"""Tars: plain WebDataset, equal bytes for any workers, resumed after a kill; changes are named."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dvdgan.cli import app
from dvdgan.config.load import load_config
from dvdgan.config.schema import Config
from dvdgan.data import shards
from dvdgan.data.manifest import read_manifest
from dvdgan.data.synthetic import read_frame_number
from dvdgan.errors import UserError
from dvdgan.stages import index, shard
from dvdgan.storage.local import read_json, sha256_of_file
from dvdgan.video.decode import frames
from dvdgan.video.image import decode_frame, resize_short_side

REPOSITORY = Path(__file__).resolve().parents[2]


def configured(root: Path) -> Config:
    config = load_config(REPOSITORY / "presets" / "demo.yaml")
    return config.model_copy(
        update={
            "index": config.index.model_copy(update={"root": str(root)}),
            "shard": config.shard.model_copy(update={"videos_per_shard": 3}),
        }
    )


@pytest.fixture
def project(
    tmp_path: Path, synthetic_videos: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Config]:
    """An own working folder with an index of an own copy of the videos."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(synthetic_videos, tmp_path / "videos")
    config = configured(Path("videos"))
    index.run(config, workers=1)
    yield config


def digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of_file(path) for path in sorted(folder.iterdir())}


def test_tars_are_plain_webdataset(project: Config) -> None:
    import webdataset  # here, since worker processes import this file

    shard.run(project, workers=1)
    folder = Path("artifacts/shards")
    manifest = {row["id"]: row for row in read_manifest(Path("artifacts/index/manifest.parquet"))}
    seen = {}
    for entry in read_json(folder / "index.json")["shards"]:
        tar = folder / entry["name"]
        assert (entry["bytes"], entry["sha256"]) == (tar.stat().st_size, sha256_of_file(tar))
        samples = list(webdataset.WebDataset(str(tar), shardshuffle=False))
        assert len(samples) == entry["videos"] == sum(entry["classes"].values())
        for sample in samples:
            row = manifest[sample["__key__"]]
            assert row["split"] == entry["split"]
            seen[row["id"]] = sample
    assert seen.keys() == manifest.keys()

    row = next(iter(manifest.values()))
    facts = json.loads(seen[row["id"]]["json"])
    assert facts == {
        **{key: row[key] for key in ("id", "class", "label", "frames", "fps")},
        **{"width": 32, "height": 32},
    }
    # The member's layout, read by hand as its docstring gives it.
    payload = seen[row["id"]]["frames"]
    assert (payload[:4], int.from_bytes(payload[4:8], "little")) == (b"DVDF", 32)
    offsets = np.frombuffer(payload[8 : 8 + 8 * 33], "<u8")
    assert offsets[-1] == len(payload)
    source = list(frames(Path("videos") / row["path"]))
    for number in range(32):
        stored = decode_frame(payload[int(offsets[number]) : int(offsets[number + 1])])
        assert read_frame_number(stored) == number
        wanted = resize_short_side(source[number], 32).astype(int)
        assert np.abs(stored - wanted).mean() < 3


def test_workers_change_no_byte(project: Config) -> None:
    shard.run(project, workers=1)
    alone = digests(Path("artifacts/shards"))
    shutil.rmtree("artifacts/shards")
    shard.run(project, workers=2)
    assert digests(Path("artifacts/shards")) == alone
    assert len(alone) == 7  # three shards of train, two of test, index.json, samples.parquet
    assert not list(Path(".runs/shard").iterdir())


def test_a_killed_run_is_resumed_to_the_same_bytes(project: Config) -> None:
    shard.run(project, workers=1)
    unbroken = digests(Path("artifacts/shards"))
    shutil.rmtree("artifacts/shards")
    # The second video decoded for the second shard never arrives, so the kill is in mid-shard.
    code = (
        "import sys, time\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\n"
        "from test_shards import configured\n"
        "from dvdgan.stages import shard\n"
        "from dvdgan.video import decode\n"
        "frames, calls = decode.frames, []\n"
        "def stalling(*arguments):\n"
        "    calls.append(arguments)\n"
        "    if len(calls) == 5:\n"
        "        Path('stalled').touch()\n"
        "        time.sleep(600)\n"
        "    return frames(*arguments)\n"
        "decode.frames = stalling\n"
        "shard.run(configured(Path('videos')), workers=1)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(REPOSITORY)}
    )
    deadline = time.monotonic() + 60
    while not Path("stalled").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not Path("artifacts/shards").exists()
    finished = list(Path(".runs/shard").glob("*/shards/*.tar"))
    assert [path.name for path in finished] == ["train-00000.tar"]
    kept = finished[0].stat().st_mtime_ns
    shard.run(project, workers=1)
    assert digests(Path("artifacts/shards")) == unbroken
    assert Path("artifacts/shards/train-00000.tar").stat().st_mtime_ns == kept


def test_a_changed_or_missing_video_is_named(project: Config) -> None:
    victim = Path("videos/circle_right/001.mp4")
    victim.write_bytes(Path("videos/circle_right/000.mp4").read_bytes())
    with pytest.raises(UserError, match=r"circle_right/001\.mp4.*bytes") as caught:
        shard.run(project, workers=1)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # from a worker
    victim.unlink()
    with pytest.raises(UserError, match=r"circle_right/001\.mp4.*No such file"):
        shard.run(project, workers=1)


def crash(row: dict[str, object], **_: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def test_a_video_that_kills_the_decoder_is_named(
    project: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "encode_sample", crash)
    with pytest.raises(UserError, match=r"mp4.*the decoder died \(exit code -11\)"):
        shard.run(project, workers=2)


def test_how_far_workers_are_ahead_changes_no_byte(
    project: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "AHEAD", 1)
    shard.run(project, workers=2)
    narrow = digests(Path("artifacts/shards"))
    monkeypatch.setattr(shards, "AHEAD", 64)
    shard.run(project, workers=2)
    assert digests(Path("artifacts/shards")) == narrow


def test_without_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="the manifest does not exist"):
        shard.run(configured(Path("videos")))


def test_parts_written_side_by_side_change_no_byte(project: Config) -> None:
    shard.run(project, workers=1)
    alone = digests(Path("artifacts/shards"))
    shutil.rmtree("artifacts/shards")
    shard.run_part(project, 2, 2, workers=1)
    [work] = Path(".runs/shard").iterdir()
    assert len(list((work / "shards").glob("*.tar"))) == 2  # of five, the second and the fourth
    # Another part is being written, by a process that is not to lose its file.
    others = work / "shards" / ".train-00000.tar.1.tmp"
    others.touch()
    shard.run_part(project, 2, 2, workers=1)
    assert others.exists()
    kept = {path: path.stat().st_ino for path in (work / "shards").glob("*.tar")}
    shard.run_part(project, 1, 2, workers=1)
    assert not others.exists()  # its own part's writer is dead
    shard.run(project, workers=1)
    assert digests(Path("artifacts/shards")) == alone
    for path, inode in kept.items():
        assert (Path("artifacts/shards") / path.name).stat().st_ino == inode


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0"])
def test_a_part_that_is_none(text: str, project: Config) -> None:
    result = CliRunner().invoke(app, ["shard", "--part", text])
    assert isinstance(result.exception, UserError)
    assert "--part" in str(result.exception)
