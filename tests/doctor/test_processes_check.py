"""The check of processes: real launchers, and hosts that answer or do not."""

import socket
import sys
from pathlib import Path

import pytest
from doctor_settings import settings

from dvdgan.doctor import processes
from dvdgan.doctor.all_reduce import AllReduce
from dvdgan.doctor.finding import FAILS, NOT_USED, OK, WARNING

TORCHRUN = f"{sys.executable} -m torch.distributed.run --standalone --nproc-per-node 2"


def test_the_processes_of_a_launcher_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (found,) = processes.check(settings(DVDGAN_LAUNCHER=f"{TORCHRUN} -m"))
    assert found.state == OK, found
    assert found.message.startswith(f"2 (2 on {socket.gethostname()}), gloo: 16.8 MB are summed in")


def test_a_process_that_dies_is_reported_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dying.py").write_text(
        "import os, runpy\n"
        "if os.environ['RANK'] == '1':\n"
        "    raise SystemExit('rank 1: no route to host')\n"
        "runpy.run_module('dvdgan.doctor.all_reduce', run_name='__main__')\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path.cwd()}")
    (found,) = processes.check(settings(DVDGAN_LAUNCHER=f"{TORCHRUN} -m dying"))
    assert found.state == FAILS
    assert "without a result" in found.message
    assert "no route to host" in capfd.readouterr().err


def test_a_launcher_that_does_not_exist() -> None:
    (found,) = processes.check(settings(DVDGAN_LAUNCHER="torchrum --nproc-per-node 2 -m"))
    assert (found.state, "torchrum" in found.message) == (FAILS, True)


def test_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = processes.check(settings())
    assert found.state == NOT_USED
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    (found,) = processes.check(settings())
    assert (found.state, "--nproc-per-node 8 -m" in found.todo) == (WARNING, True)


def test_a_wrong_sum_fails() -> None:
    assert processes.judged(AllReduce("nccl", {"a": 8, "b": 8}, True, 0.01)).state == OK
    found = processes.judged(AllReduce("nccl", {"a": 8, "b": 8}, False, 0.01))
    assert found.state == FAILS
    assert "16 processes (8 on a, 8 on b)" in found.message


def test_nodes_that_answer_refuse_and_do_not_exist() -> None:
    # Nothing listens at the first address: it refuses. The second one is in no network.
    first, second = processes.check(settings(DVDGAN_NODES="here=127.0.0.1,gone=nowhere.invalid"))
    assert (first.state, second.state) == (OK, FAILS)
    assert "node gone (nowhere.invalid) cannot be reached" in second.message
