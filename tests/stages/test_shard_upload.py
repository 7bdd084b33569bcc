"""`dvdgan shard` with DVDGAN_SHARDS: the store gets what artifacts/shards holds, index last."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from flaky_server import Behaviour, flaky
from s3_server import s3_server
from tiny_pipeline import run_stages, tiny
from typer.testing import CliRunner
from warm_commands import WarmCommands

from dvdgan.cli import app
from dvdgan.config import parse_config
from dvdgan.data.shard_source import open_shards
from dvdgan.errors import UserError
from dvdgan.stages import index, shard
from dvdgan.stages.artefacts import SHARDS
from dvdgan.storage.local import write_json
from dvdgan.storage.open_store import open_store

URL = "s3://videos/sent/shards"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server("videos") as address:
        yield address


@pytest.fixture
def line(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behaviour]:
    """The way to an empty store."""
    for each in boto3.resource("s3", endpoint_url=server).Bucket("videos").objects.all():
        each.delete()
    with flaky(server) as (address, told):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield told


def params_of(videos: Path) -> dict[str, Any]:
    params = tiny(videos)
    params["shard"] |= {"videos_per_shard": 3}
    return params


@pytest.fixture(scope="module")
def written(synthetic_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which index and shard have run, without a store."""
    folder = tmp_path_factory.mktemp("written")
    run_stages(params_of(synthetic_videos), folder, (index, shard))
    return folder


@pytest.fixture
def indexed(written: Path, synthetic_videos: Path, tmp_path: Path) -> Path:
    """A folder in which index has run."""
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "index").symlink_to(written / "artifacts" / "index")
    write_json(tmp_path / "params.yaml", params_of(synthetic_videos))
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def stored() -> dict[str, bytes]:
    store = open_store(URL)
    return {key: store.read_bytes(key) for key in store.keys("")}


def test_what_is_sent_is_what_dvc_tracks_and_the_index_is_last(
    written: Path, indexed: Path, synthetic_videos: Path, line: Behaviour, monkeypatch
) -> None:
    monkeypatch.setenv("DVDGAN_SHARDS", URL)
    sent: list[str] = []
    line.harm = lambda method, path: sent.append(path) if method == "PUT" else None
    config = parse_config(params_of(synthetic_videos))
    with contextlib.chdir(indexed):
        for part in (1, 2):  # as two machines do
            shard.run_part(config, part, 2, workers=1)
            assert not any("index.json" in path for path in sent)
        assert len(sent) == len(list((written / SHARDS).glob("*.tar")))
        shard.run(config, workers=1)
        open_shards(SHARDS)  # refuses where the store has others
    assert contents(indexed / SHARDS) == contents(written / SHARDS) == stored()
    assert [path.rpartition("/")[2] for path in sent[-2:]] == ["samples.parquet", "index.json"]
    assert len(sent) == len(stored())


@pytest.mark.timeout(120)
def test_killed_while_it_sends_it_sends_the_rest(
    written: Path,
    indexed: Path,
    line: Behaviour,
    monkeypatch: pytest.MonkeyPatch,
    warm: WarmCommands,
) -> None:
    monkeypatch.setenv("DVDGAN_SHARDS", URL)
    command = [sys.executable, "-m", "dvdgan", "shard", "--workers", "1"]
    puts: list[str] = []

    def slow(method: str, path: str) -> str | None:
        if method == "PUT":
            puts.append(path)
        return "hang" if method == "PUT" and len(puts) > 2 else None

    line.harm = slow
    process = subprocess.Popen(command, cwd=indexed, env=os.environ, stderr=subprocess.DEVNULL)
    while len(puts) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (indexed / SHARDS).exists()
    already = stored()
    assert len(already) == 2 and "index.json" not in already
    again: list[str] = []
    line.harm = lambda method, path: again.append(path) if method == "PUT" else None
    warm.run(indexed, "dvdgan", "shard", "--workers", "1")
    assert contents(indexed / SHARDS) == contents(written / SHARDS) == stored()
    assert len(again) == len(stored()) - 2


def test_shards_that_exist_are_sent_and_damaged_ones_are_not(
    written: Path, line: Behaviour, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DVDGAN_SHARDS", URL)
    (tmp_path / SHARDS).mkdir(parents=True)
    for name, data in contents(written / SHARDS).items():
        (tmp_path / SHARDS / name).write_bytes(data)
    tar = min((tmp_path / SHARDS).glob("*.tar"))
    data = tar.read_bytes()
    with contextlib.chdir(tmp_path):
        tar.write_bytes(data[:-1] + b"x")
        with pytest.raises(UserError, match=f"{tar.name} is missing or damaged"):
            shard.upload()
        assert stored() == {}
        tar.write_bytes(data)
        shard.upload()
        assert stored() == contents(tmp_path / SHARDS)
        sent = line.sent_bytes
        shard.upload()
        assert line.sent_bytes == sent
        monkeypatch.delenv("DVDGAN_SHARDS")
        with pytest.raises(UserError, match="no store of shards is set"):
            shard.upload()


@pytest.mark.parametrize("other", ['{"fingerprint": "another"}', "{}", "nonsense"])
def test_other_shards_are_not_overwritten(
    indexed: Path,
    written: Path,
    synthetic_videos: Path,
    line: Behaviour,
    monkeypatch: pytest.MonkeyPatch,
    other: str,
) -> None:
    monkeypatch.setenv("DVDGAN_SHARDS", URL)
    open_store(URL).write_bytes("index.json", other.encode())
    config = parse_config(params_of(synthetic_videos))
    with contextlib.chdir(indexed), pytest.raises(UserError, match="differ from those") as raised:
        shard.run(config, workers=1)
    assert "new prefix" in raised.value.todo
    assert not (indexed / ".runs").exists()  # before any work
    with contextlib.chdir(indexed), pytest.raises(UserError, match="differ from those"):
        shard.run_part(config, 1, 2, workers=1)
    with contextlib.chdir(written), pytest.raises(UserError, match="differ from those"):
        shard.upload()
    assert stored() == {"index.json": other.encode()}


def test_a_store_that_is_not_there_is_reported_before_any_work(
    indexed: Path, synthetic_videos: Path, line: Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVDGAN_SHARDS", "s3://nowhere/shards")
    config = parse_config(params_of(synthetic_videos))
    with contextlib.chdir(indexed), pytest.raises(UserError, match="the bucket does not exist"):
        shard.run(config, workers=1)
    assert not (indexed / ".runs").exists()


def test_the_index_is_fetched_where_no_other_shards_are(
    written: Path, line: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVDGAN_SHARDS", URL)
    there = tmp_path / SHARDS

    def fetch() -> str:
        """What the command prints; raises what it raises."""
        words = ["shard", "--fetch-index"]
        return str(CliRunner().invoke(app, words, catch_exceptions=False).output)

    with contextlib.chdir(tmp_path), pytest.raises(UserError, match="the shards do not exist"):
        fetch()
    with contextlib.chdir(written):
        shard.upload()
        assert URL in fetch()  # its own shards: nothing changes
    with contextlib.chdir(tmp_path):
        for _ in range(2):
            fetch()
            assert contents(there) == {"index.json": (written / SHARDS / "index.json").read_bytes()}
        assert isinstance(open_shards(SHARDS).read_all("samples.parquet"), bytes)
        (there / "train-00000.tar").touch()
        (there / "index.json").write_text("{}")
        with pytest.raises(UserError, match="holds other shards than s3://"):
            fetch()
        open_store(URL).write_bytes("index.json", b"nonsense")
        (there / "train-00000.tar").unlink()
        with pytest.raises(UserError, match="index"):
            fetch()
        assert contents(there) == {"index.json": b"{}"}
        with pytest.raises(UserError, match="cannot be combined"):
            CliRunner().invoke(app, ["shard", "--fetch-index", "--upload"], catch_exceptions=False)
