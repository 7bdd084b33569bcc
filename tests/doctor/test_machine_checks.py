"""Software, GPUs, weights, disks and locks of this machine, and of worse ones."""

import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from doctor_settings import settings
from safetensors.numpy import save_file

from dvdgan.doctor import disk, gpu, locks, software, weights
from dvdgan.doctor.finding import FAILS, NOT_USED, OK, WARNING, Finding

GB = 10**9


def only(findings: Iterator[Finding]) -> Finding:
    (found,) = findings
    return found


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that a command runs in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_versions_cores_and_memory() -> None:
    found = only(software.check(settings()))
    assert found.state == OK
    assert f"torch {torch.__version__}" in found.message
    assert f"{len(os.sched_getaffinity(0))} cores" in found.message


def test_few_open_files_are_a_warning() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        _, found = software.check(settings())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert (found.state, found.message) == (WARNING, "a process may open 512 files")
    assert "ulimit -n" in found.todo


def test_shared_memory_that_is_smaller_than_the_batches_of_loader_workers_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 4 workers x 2 batches of 16 clips of 6 frames of 32 x 32 x 3 bytes
    needed = 4 * 2 * 16 * 6 * 32 * 32 * 3
    for free, state in ((needed, OK), (needed - 1, FAILS)):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(psutil, "disk_usage", lambda path, usage=usage: usage)
        _, found = software.check(settings(DVDGAN_LOADER_WORKERS="4"))
        assert found.state == state
        assert "2.36 MB" in found.message
    assert "--shm-size" in found.todo


def test_without_a_gpu_it_states_the_number_of_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "DRIVER", tmp_path / "no driver")
    found = only(gpu.check(settings()))
    assert found.state == OK
    assert f"{len(os.sched_getaffinity(0))} CPU cores" in found.message


def test_a_driver_that_this_build_of_torch_cannot_use_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def too_old() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).\nX")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", too_old)
    monkeypatch.setattr(gpu, "DRIVER", tmp_path)
    monkeypatch.setattr(torch.version, "cuda", None)
    without = only(gpu.check(settings()))
    assert (without.state, "a build without CUDA" in without.message) == (FAILS, True)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    old = only(gpu.check(settings()))
    assert old.state == FAILS
    assert old.message.endswith("too old (found version 11040).")
    assert "driver" in old.todo


@pytest.mark.parametrize(
    ("capability", "free", "state", "word"),
    [
        ((9, 0), 79 * GB, OK, "9.0"),
        ((9, 0), 40 * GB, WARNING, "other processes use 40 GB"),
        ((8, 6), 79 * GB, OK, "8.6"),  # code for 8.0 runs on it
        ((7, 0), 79 * GB, FAILS, "has no code for it"),
        ((12, 0), 79 * GB, OK, "12.0"),  # compiled from PTX
    ],
)
def test_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
    capability: tuple[int, int],
    free: int,
    state: str,
    word: str,
) -> None:
    major, minor = capability
    properties = SimpleNamespace(name="NVIDIA Something", major=major, minor=minor)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (free, 80 * GB))
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80", "sm_90", "compute_90"])
    missing, found = gpu.check(settings(DVDGAN_EVALUATION_DEVICE="cuda:1"))
    assert (found.state, word in found.message) == (state, True)
    assert "NVIDIA Something" in found.message
    assert (missing.state, "torch sees 1 GPUs" in missing.message) == (FAILS, True)


def test_weights_are_missing_damaged_and_there(project: Path) -> None:
    assert only(weights.check(settings())).state == NOT_USED
    paper = settings(protocols=("self_trained", "dvdgan_fid_is"))
    missing = only(weights.check(paper))
    assert (missing.state, "i3d_k600 are missing" in missing.message) == (FAILS, True)
    assert "dvdgan convert i3d_k600" in missing.todo
    folder = project / "weights" / "i3d_k600"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    save_file({"weight": np.zeros(1000, np.float32)}, folder / "network.safetensors")
    assert only(weights.check(paper)).state == OK
    whole = (folder / "network.safetensors").read_bytes()
    (folder / "network.safetensors").write_bytes(whole[:-1])
    damaged = only(weights.check(paper))
    assert (damaged.state, "is damaged" in damaged.message) == (FAILS, True)


def test_the_disk_has_what_the_run_keeps(project: Path) -> None:
    found = only(disk.check(settings()))
    assert found.state == OK
    # 600 steps, a checkpoint every 100: six, and one that is being written
    assert "up to 7 checkpoints of " in found.message
    assert list(project.iterdir()) == []


def test_the_size_of_a_checkpoint_is_that_of_its_parameters() -> None:
    from dvdgan.config import load_config
    from dvdgan.models.build import build_discriminators, build_generator

    config = load_config(Path(__file__).resolve().parents[2] / "presets" / "demo.yaml")
    sections = config.model, config.clip, disk.KINETICS_CLASSES
    g, d = (
        sum(each.numel() for each in build(*sections).parameters())
        for build in (build_generator, build_discriminators)
    )
    assert disk.checkpoint_bytes(settings()) == 16 * g + 12 * d


@pytest.mark.parametrize(("free", "state"), [(10, FAILS), (50, WARNING), (100, OK)])
def test_too_little_space(monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr(psutil, "disk_usage", lambda path: SimpleNamespace(free=free * GB))
    found = disk.space("disk", Path(".runs"), 100 * GB, "the run keeps them", 20 * GB)
    assert (found.state, f"{free} GB free" in found.message) == (state, True)


def test_the_cache_of_shards_takes_no_more_than_the_shards(project: Path) -> None:
    shards = project / "artifacts" / "shards"
    shards.mkdir(parents=True)
    index = {"classes": ["a"], "shards": [{"bytes": 3 * GB}, {"bytes": 4 * GB}]}
    (shards / "index.json").write_text(json.dumps(index))
    own = settings(DVDGAN_SHARD_CACHE=str(project / "cache"), DVDGAN_SHARD_CACHE_GB="200")
    _, found = disk.check(own)
    assert f"{project / 'cache'}: " in found.message
    assert found.message.endswith("the cache of shards takes up to 7 GB")


def test_a_full_disk_and_one_without_inodes(project: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    small = project / "small"
    small.mkdir()
    options = "size=256k,nr_inodes=100"
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(small)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        few = disk.space("disk", small, 1, "the run", 1)
        assert (few.state, "more files can be made" in few.message) == (WARNING, True)
        (small / "all").write_bytes(bytes(256 << 10))
        full = disk.space("disk", small, 1, "the run", 1)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
    assert full.state == FAILS
    assert full.message == f"{small} cannot be written: No space left on device"


def test_a_folder_that_cannot_be_written() -> None:
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o555)
        if user == 0:
            os.seteuid(65534)
        try:
            found = disk.space("disk", Path(place) / ".runs", 1, "the run", 1)
        finally:
            os.seteuid(user)
    assert found.state == FAILS
    assert found.message == f"{place} cannot be written: Permission denied"


def test_locks_of_this_file_system_work(project: Path) -> None:
    found = only(locks.check(settings()))
    assert found.state == OK
    df = ["df", "--output=fstype", str(project)]
    kind = subprocess.run(df, capture_output=True, text=True, check=True).stdout.split()[-1]
    assert found.message.startswith(f"{kind}, ")
    assert list(project.iterdir()) == []


BROKEN_FLOCK = "int flock(int file, int operation) { %s }"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 0;", "a lock does not keep another process out"),
        (
            "*__errno_location() = 37; return -1;",  # as NFS without its lock service
            "it has no locks (No locks available)",
        ),
    ],
)
def test_locks_that_do_not_work_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, project: Path, body: str, words: str
) -> None:
    source, library = tmp_path / "flock.c", tmp_path / "flock.so"
    source.write_text("int *__errno_location(void);" + BROKEN_FLOCK % body)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))  # of the other process
    found = only(locks.check(settings()))
    assert (found.state, words in found.message) == (FAILS, True), found
    assert {path.name for path in project.iterdir()} == {"flock.c", "flock.so"}


def test_a_mount_without_locks_between_hosts_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    here = SimpleNamespace(mountpoint=str(project), fstype="nfs4", opts="rw,nolock,vers=3")
    root = SimpleNamespace(mountpoint="/", fstype="ext4", opts="rw")
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [here, root])
    found = only(locks.check(settings()))
    assert (found.state, "nfs4" in found.message) == (WARNING, True)
    assert "nolock: hosts do not see each other's locks" in found.message


def test_the_type_of_a_file_system_is_that_of_the_deepest_mount(tmp_path: Path) -> None:
    assert locks.file_system(Path("/proc/self/maps"))[0] == "proc"
    assert locks.is_shared("fuse.glusterfs")
    assert not locks.is_shared("ext4")
