"""Shards written by two Dask workers are the bytes that one machine writes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from prefect_server import Server, free_port, wait_until

from dvdgan.storage.local import sha256_of_tree

PROJECT = Path(__file__).resolve().parents[2]

# Found, not imported: Dask changes how this whole process pickles exceptions.
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        find_spec("prefect_dask") is None,
        reason="Dask is not installed: pip install 'dvdgan[dask]'",
    ),
]


@pytest.fixture
def folder(tmp_path: Path, synthetic_videos: Path) -> Path:
    """A work tree whose twelve videos are indexed."""
    text = (PROJECT / "presets/demo.yaml").read_text()
    text = text.replace("data/synthetic", str(synthetic_videos))
    text = text.replace("videos_per_shard: 32", "videos_per_shard: 2")
    (tmp_path / "params.yaml").write_text(text)
    subprocess.run([tool("dvdgan"), "index"], cwd=tmp_path, check=True)
    return tmp_path


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@pytest.fixture
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Dask scheduler with two worker processes."""
    folder, port = tmp_path_factory.mktemp("dask"), free_port()
    address = f"tcp://127.0.0.1:{port}"
    quiet = ["--no-dashboard", "--host", "127.0.0.1"]
    one = [*quiet, "--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
    commands = [
        ["scheduler", *quiet, "--port", str(port)],
        ["worker", address, *one, "--name", "first"],
        ["worker", address, *one, "--name", "second"],
    ]
    processes, logs = [], []
    try:
        for number, command in enumerate(commands):
            logs.append(folder / f"{number}.log")
            with logs[-1].open("wb") as log:
                processes.append(
                    subprocess.Popen(
                        [
                            sys.executable,
                            "-m",
                            "dvdgan.guard.parent_death_signal",
                            tool("dask"),
                            *command,
                        ],
                        cwd=folder,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                        env=os.environ | {"PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore"},
                    )
                )
        for log in logs[1:]:
            wait_until(lambda log=log: "Starting established connection" in log.read_text(), log)
        yield address
    finally:
        # A worker whose scheduler is gone may wait for it longer than anybody wants to.
        for process in processes:
            process.kill()
            process.wait()


def test_many_machines_change_no_byte(
    folder: Path, scheduler: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    subprocess.run([tool("dvdgan"), "shard"], cwd=folder, check=True)
    alone = sha256_of_tree(folder / "artifacts/shards", "*")
    shutil.rmtree(folder / "artifacts/shards")

    server = Server(tmp_path_factory.mktemp("server"), None)
    try:
        server.start()
        call = f"from flows.preprocess import shard_on; shard_on({scheduler!r}, {str(folder)!r}, 3)"
        server.run(sys.executable, "-c", call)
        tasks = server.post("task_runs/filter", {})
    finally:
        server.stop()
    assert sorted(task["name"] for task in tasks) == [f"part {part} of 3" for part in (1, 2, 3)]
    assert {task["state_type"] for task in tasks} == {"COMPLETED"}
    [work] = (folder / ".runs/shard").iterdir()
    written = {path.name: path.stat().st_ino for path in (work / "shards").glob("*.tar")}
    assert written
    subprocess.run([tool("dvdgan"), "shard"], cwd=folder, check=True)
    assert sha256_of_tree(folder / "artifacts/shards", "*") == alone
    for name, inode in written.items():  # they were taken over, not written again
        assert (folder / "artifacts/shards" / name).stat().st_ino == inode
