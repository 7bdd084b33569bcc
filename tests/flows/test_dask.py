"""Two Dask workers probe the videos and write the shards to the bytes that one machine writes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE

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
    """A work tree of twelve videos."""
    text = (PROJECT / "presets/demo.yaml").read_text()
    text = text.replace("data/synthetic", str(synthetic_videos))
    text = text.replace("videos_per_shard: 32", "videos_per_shard: 2")
    (tmp_path / "params.yaml").write_text(text)
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
    def run(stage: str) -> str:
        command = [tool("dvdgan"), stage]
        return subprocess.run(command, cwd=folder, check=True, text=True, stdout=PIPE).stdout

    def files() -> dict[str, str]:
        return sha256_of_tree(folder / "artifacts", "*/*")

    run("index")
    run("shard")
    alone = files()
    shutil.rmtree(folder / "artifacts")
    shutil.rmtree(folder / ".runs")

    server = Server(tmp_path_factory.mktemp("server"), None)
    try:
        server.start()
        call = "import flows.preprocess as f; f.run_on({!r}, {!r}, {!r}, 3)"
        server.run(sys.executable, "-c", call.format(scheduler, "index", str(folder)))
        assert "nothing new" in run("index")
        server.run(sys.executable, "-c", call.format(scheduler, "shard", str(folder)))
        tasks = server.post("task_runs/filter", {})
    finally:
        server.stop()
    assert sorted(task["name"] for task in tasks) == [
        f"{stage}, part {part} of 3" for stage in ("index", "shard") for part in (1, 2, 3)
    ]
    assert {task["state_type"] for task in tasks} == {"COMPLETED"}
    [work] = (folder / ".runs/shard").iterdir()
    written = {path.name: path.stat().st_ino for path in (work / "shards").glob("*.tar")}
    assert written
    run("shard")
    assert files() == alone
    for name, inode in written.items():  # they were taken over, not written again
        assert (folder / "artifacts/shards" / name).stat().st_ino == inode
