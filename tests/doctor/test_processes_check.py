"""Processes that sum, one that never starts, one that does not sum, and what is concluded."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from doctor_settings import settings

from dvdgan.doctor import processes
from dvdgan.doctor.check_process import findings_of
from dvdgan.doctor.finding import FAILS, NOT_USED, OK, WARNING, Finding
from dvdgan.doctor.processes import judged, parsed

# Starts ranks as torchrun does, each by `sh -c PREFIX`; torchrun itself takes seconds to start.
LAUNCHER = """
import os, socket, subprocess, sys
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
group = {{"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}}
ranks = [
    subprocess.Popen([sys.executable, "-m", *sys.argv[1:]], env=os.environ | group | {{"RANK": r}})
    for r in {ranks}
]
[rank.wait() for rank in ranks]
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield tmp_path
    assert list((tmp_path / "project").iterdir()) == []


def launched(project: Path, ranks: list[str], seconds: float) -> list[Finding]:
    script = project / "launcher.py"
    script.write_text(LAUNCHER.format(ranks=ranks))
    own = settings(seconds=seconds, DVDGAN_LAUNCHER=f"{sys.executable} {script}")
    found = list(findings_of("processes", processes.check, own))
    assert len(found) == 1, found
    return found


def test_two_processes_sum(project: Path) -> None:
    (found,) = launched(project, ["0", "1"], 60)
    assert found.state == OK, found
    assert found.message.startswith("2 on 1 host sum by ")


def test_a_rank_that_never_starts_is_named_and_the_others_are_ended(project: Path) -> None:
    (found,) = launched(project, ["0"], 15)
    assert found.state == FAILS
    assert found.message.startswith("rank 1 of 2 did not start; there are rank 0 (")
    assert "127.0.0.1" in found.message
    left = [each.cmdline() for each in psutil.Process().children(recursive=True)]
    assert not [words for words in left if "dvdgan.doctor.process_group" in words]


def test_a_launcher_that_does_not_exist_and_one_that_starts_nothing(project: Path) -> None:
    (missing,) = processes.check(settings(DVDGAN_LAUNCHER="no-such-launcher -m"))
    assert (missing.state, "No such file or directory" in missing.message) == (FAILS, True)
    (nothing,) = processes.check(settings(DVDGAN_LAUNCHER="echo no node joined"))
    assert nothing.state == FAILS
    assert "started no process; its last line: no node joined" in nothing.message


def test_without_a_launcher_there_is_nothing_to_reach() -> None:
    (found,) = processes.check(settings())
    assert found.state == NOT_USED


def test_nodes_that_answer_refuse_and_do_not_exist() -> None:
    # Nothing listens at the first address: it refuses. The second one is in no network.
    first, second = processes.check(settings(DVDGAN_NODES="here=127.0.0.1,gone=nowhere.invalid"))
    assert (first.state, second.state) == (OK, FAILS)
    assert "node gone (nowhere.invalid) cannot be reached" in second.message


def a_report(rank: int, **other: Any) -> dict[str, Any]:
    """Of one of three processes on three hosts that all is well with."""
    usual = {
        "doctor": "done",
        "rank": rank,
        "world": 3,
        "host": f"host{rank}",
        "address": f"10.0.0.{rank + 1}",
        "meeting": "10.0.0.1:15000",
        "lock": "held",
        "backend": "nccl",
        "sum": 6.0,  # 1 + 2 + 3
        "largest": 6.0,
        "seconds": 0.004,
    }
    return usual | other


@pytest.mark.parametrize(
    ("other", "state", "words"),
    [
        ({}, OK, "3 on 3 hosts sum by NCCL: 4 MB in 4 ms"),
        ({"sum": 5.0}, FAILS, "rank 1 (host1, 10.0.0.2) summed to 5 to 6, not 6"),
        ({"largest": 7.0}, FAILS, "rank 1 (host1, 10.0.0.2) summed to 6 to 7, not 6"),
        (
            {"doctor": "failed", "error": "no route"},
            FAILS,
            "rank 1 (host1, 10.0.0.2) did not reach the others at 10.0.0.1:15000: no route",
        ),
        ({"doctor": "started"}, FAILS, "rank 1 (host1, 10.0.0.2) did not answer in time"),
        ({"doctor": "joined"}, FAILS, "rank 1 (host1, 10.0.0.2) did not sum in time"),
    ],
)
def test_what_one_of_three_processes_reports(other: dict[str, Any], state: str, words: str) -> None:
    (found,) = judged({rank: a_report(rank, **(other if rank == 1 else {})) for rank in range(3)})
    assert (found.state, words in found.message) == (state, True), found


@pytest.mark.parametrize(
    ("lock", "state", "words"),
    [
        ("free", FAILS, "rank 2 (host2, 10.0.0.3) does not see the lock that is held here"),
        (None, WARNING, "rank 2 (host2, 10.0.0.3) does not see this folder"),
    ],
)
def test_hosts_without_the_folder_or_its_locks(lock: str | None, state: str, words: str) -> None:
    reports = {rank: a_report(rank) for rank in range(3)} | {2: a_report(2, lock=lock)}
    sums, files = judged(reports)
    assert sums.state == OK
    assert (files.state, files.message) == (state, words)


def test_a_batch_that_the_processes_cannot_divide(project: Path) -> None:
    reports = {rank: a_report(rank) for rank in range(3)}
    (found,) = processes.batch_of(settings(), reports)  # 16 clips
    assert (found.state, "not a multiple of 3 processes" in found.message) == (FAILS, True)


def test_a_line_with_the_name_of_its_process() -> None:
    assert parsed('[default0]:{"doctor": "done", "rank": 3}\n') == {"doctor": "done", "rank": 3}
    assert parsed("W1128 torch/distributed/run.py\n") is None
    assert parsed('{"doctor": "done", "rank": {"doctor": "st') is None
