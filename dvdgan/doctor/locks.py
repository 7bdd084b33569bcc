"""Whether the run folder's file system has what a run relies on: locks, renames, fsync."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from dvdgan.doctor.disk import existing
from dvdgan.doctor.finding import FAILS, OK, WARNING, Finding
from dvdgan.doctor.lock_probe import FREE, HELD
from dvdgan.doctor.settings import RUNS, DoctorSettings
from dvdgan.guard.run_lock import lock
from dvdgan.storage.exchange import exchange
from dvdgan.storage.local import write_bytes

NAME = "locks"
# File systems of several hosts.
SHARED = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "9p", "virtiofs")
# Mount options with which a host sees its own locks alone.
OWN_LOCKS = ("nolock", "local_lock=all", "local_lock=flock", "localflock", "noflock", "nobrl")
SLOW_SECONDS = 1.0
USE_ANOTHER = "put the project on a file system with working locks (docs/doctor.md)"


def check(settings: DoctorSettings) -> Iterator[Finding]:
    """A line for the run folder: type of the file system, locks of two processes, renames."""
    place = existing(RUNS)
    kind, options = file_system(place)
    with scratch_folder(place) as folder:
        problem = _lock_problem(folder / "lock")
        if problem:
            yield Finding(NAME, FAILS, f"{kind} at {place}: {problem}", USE_ANOTHER)
            return
        began = time.monotonic()
        write_bytes(folder / "one", b"one")
        seconds = time.monotonic() - began
        write_bytes(folder / "two", b"two")
        exchanged = exchange(folder / "one", folder / "two")
        if exchanged and (folder / "one").read_bytes() != b"two":
            yield Finding(NAME, FAILS, f"{kind} at {place}: a rename had no effect", USE_ANOTHER)
            return
    own = [option for option in options if option in OWN_LOCKS]
    if own:
        yield Finding(
            NAME,
            WARNING,
            f"{kind} at {place} is mounted with {', '.join(own)}: hosts do not see each other's "
            "locks, so two could train one run",
            "mount it with locks, or train each run from one host only",
        )
        return
    if seconds > SLOW_SECONDS:
        yield Finding(
            NAME,
            WARNING,
            f"{kind} at {place}: to write and sync a small file takes {seconds:.1f} s",
            "use a faster disk for the project: each checkpoint is synced",
        )
        return
    replaced = "" if exchanged else "; folders are replaced by two renames"
    reach = "of one host" if not is_shared(kind) else "shared by hosts"
    yield Finding(
        NAME,
        OK,
        f"{kind}, {reach}: a lock keeps another process out; a file is synced in "
        f"{1000 * seconds:.0f} ms{replaced}",
    )


def is_shared(kind: str) -> bool:
    """Whether several hosts may mount a file system of this type."""
    return kind.removeprefix("fuse.").startswith(SHARED)


def file_system(path: Path) -> tuple[str, list[str]]:
    """Type and mount options of the file system of an existing ``path``."""
    path, found = path.resolve(), ("an unknown file system", "")
    longest = -1
    for partition in psutil.disk_partitions(all=True):
        mountpoint = Path(partition.mountpoint)
        depth = len(mountpoint.parts)
        # Of two on one mountpoint, the later one covers the other.
        if path.is_relative_to(mountpoint) and depth >= longest:
            longest, found = depth, (partition.fstype, partition.opts)
    return found[0], found[1].split(",")


@contextmanager
def scratch_folder(place: Path) -> Iterator[Path]:
    """A folder in ``place`` that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=".doctor-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _lock_problem(file: Path) -> str:
    """What is wrong with locks; empty if one process keeps another out as long as it should."""
    with lock(file, "another `dvdgan doctor`"):
        seen = _seen_by_another_process(file)
        if seen == FREE:
            return "a lock does not keep another process out"
    if seen == HELD:
        seen = _seen_by_another_process(file)
        if seen == HELD:
            return "a lock that was released keeps another process out"
    return "" if seen == FREE else f"it has no locks ({seen})"


def _seen_by_another_process(file: Path) -> str:
    words = [sys.executable, "-m", "dvdgan.doctor.lock_probe", str(file)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()
