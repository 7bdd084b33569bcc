"""Versions, cores, memory, and the limits of the system that stop a run late."""

import os
import platform
import resource
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psutil

from dvdgan.doctor.finding import FAILS, OK, WARNING, Finding, size
from dvdgan.doctor.settings import DoctorSettings

NAME = "environment"
PACKAGES = ("torch", "accelerate", "av", "dvc", "prefect")
SHARED_MEMORY = Path("/dev/shm")
FEWEST_OPEN_FILES = 1024
# A loader worker keeps two batches ready (torch's prefetch_factor).
BATCHES_READY = 2


def check(settings: DoctorSettings) -> Iterator[Finding]:
    """The versions; open files, encoding, and the shared memory of loader workers."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    memory = psutil.virtual_memory()
    yield Finding(
        NAME,
        OK,
        f"Python {platform.python_version()}, {versions}; {cores()} cores, {size(memory.total)} "
        f"of memory, {size(memory.available)} free",
    )
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if open_files < FEWEST_OPEN_FILES:
        yield Finding(
            NAME,
            WARNING,
            f"a process may open {open_files} files",
            f"`ulimit -n {FEWEST_OPEN_FILES}` or more, before the run",
        )
    if sys.getfilesystemencoding().lower() != "utf-8":
        yield Finding(
            NAME,
            WARNING,
            f"names of files are read as {sys.getfilesystemencoding()}, so videos with other "
            "letters in their names are refused",
            "`export LC_ALL=C.UTF-8`",
        )
    yield from _shared_memory(settings)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def _shared_memory(settings: DoctorSettings) -> Iterator[Finding]:
    """Loader workers pass batches through it; containers often have 64 MB."""
    workers = settings.machine.launch.loader_workers
    if not workers:
        return
    clip = settings.clip
    batch = settings.train.batch_size * clip.frames * 3 * clip.resolution**2
    needed, free = batch * BATCHES_READY * workers, psutil.disk_usage(str(SHARED_MEMORY)).free
    message = f"loader workers share up to {size(needed)} in {SHARED_MEMORY}, {size(free)} are free"
    if needed <= free:
        yield Finding(NAME, OK, message)
    else:
        yield Finding(
            NAME,
            FAILS,
            message,
            "give the container more (`docker run --shm-size 8g`; in Kubernetes an emptyDir of "
            f"medium Memory at {SHARED_MEMORY}), or reduce DVDGAN_LOADER_WORKERS",
        )
