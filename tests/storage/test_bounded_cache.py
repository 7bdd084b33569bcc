"""A cache that processes share: bounded, never half-written, and never needed to read."""

import fcntl
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dvdgan.errors import UserError
from dvdgan.storage.bounded_cache import CHUNK_BYTES, LOCK, BoundedCache

# Puts entries of random sizes without end, and reads: argv is folder, bound, seed.
WORK = """
import random, sys
from pathlib import Path
from dvdgan.storage.bounded_cache import BoundedCache
cache, rng = BoundedCache(Path(sys.argv[1]), int(sys.argv[2])), random.Random(int(sys.argv[3]))
while True:
    number = rng.randrange(60)
    size = 1000 + 997 * number
    data = cache.read(f"{number:02x}-key", size, 0, size)
    if data is None:
        cache.put(f"{number:02x}-key", bytes([number]) * size)
    elif data != bytes([number]) * size:
        sys.exit("wrong bytes")
"""


def kept(folder: Path) -> int:
    """Bytes of all entries, whole or not, while no process adds or removes one."""
    if not (folder / LOCK).exists():  # none has begun
        return 0
    with (folder / LOCK).open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return sum(entry.stat().st_size for entry in folder.glob("*/*"))


@pytest.fixture
def cache(tmp_path: Path) -> BoundedCache:
    return BoundedCache(tmp_path / "deep" / "cache", 1_000_000)


@pytest.mark.parametrize("size", [1, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 5])
def test_what_is_put_is_read_in_any_part(cache: BoundedCache, size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert cache.read("ab", size, 0, size) is None
    cache.put("ab", data)
    assert BoundedCache(cache.folder, 10).read("ab", size, 0, size) == data
    rng = random.Random(0)
    for _ in range(50):
        start = rng.randrange(size)
        length = rng.randint(1, size - start)
        assert cache.read("ab", size, start, length) == data[start : start + length]


def test_what_was_used_longest_ago_makes_room(cache: BoundedCache) -> None:
    for number in range(9):
        cache.put(f"{number:02}", bytes(100_000))
        time.sleep(0.01)
    assert cache.read("00", 100_000, 0, 1) == b"\0"
    cache.put("new", bytes(100_000))
    present = [n for n in range(9) if cache.read(f"{n:02}", 100_000, 0, 1)]
    assert present == [0, 3, 4, 5, 6, 7, 8]  # room is made down to 90%, the new one included
    assert cache.read("new", 100_000, 0, 1) == b"\0"
    cache.put("huge", bytes(999_999))
    assert not cache.takes(999_999) and cache.read("huge", 999_999, 0, 1) is None
    assert kept(cache.folder) <= 1_000_000


@pytest.mark.parametrize("damage", ["cut", "longer", "flipped", "checksum", "empty"])
def test_a_damaged_entry_is_not_read_and_may_be_put_again(cache: BoundedCache, damage: str) -> None:
    size = 2 * CHUNK_BYTES
    data = random.Random(1).randbytes(size)
    cache.put("ab", data)
    (path,) = cache.folder.glob("ab/*")
    entry = bytearray(path.read_bytes())
    if damage == "flipped":
        entry[CHUNK_BYTES + 7] ^= 1
    if damage == "checksum":
        entry[-1] ^= 1
    length = {"cut": size, "empty": 0}.get(damage, len(entry))
    path.write_bytes(entry[:length] + (b"x" if damage == "longer" else b""))
    assert cache.read("ab", size, CHUNK_BYTES, 10) is None
    cache.put("ab", data)
    assert cache.read("ab", size, 0, size) == data


def test_several_processes_keep_the_bound_and_a_kill_leaves_nothing_that_is_read(
    tmp_path: Path,
) -> None:
    bound, command = 300_000, [sys.executable, "-c", WORK, str(tmp_path)]
    started = [
        subprocess.Popen([*command, str(bound), str(seed)], stderr=subprocess.PIPE, text=True)
        for seed in range(3)
    ]
    rng, deadline, most = random.Random(0), time.monotonic() + 4, 0
    while time.monotonic() < deadline:
        most = max(most, kept(tmp_path))
        if rng.random() < 0.05:  # one dies, another one takes its place
            victim = started.pop(0)
            victim.send_signal(signal.SIGKILL)
            assert "wrong bytes" not in victim.communicate()[1]
            seed = str(rng.randrange(1000))
            started.append(
                subprocess.Popen([*command, str(bound), seed], stderr=subprocess.PIPE, text=True)
            )
        time.sleep(0.02)
    for process in started:
        assert process.poll() is None, process.communicate()[1]
        process.kill()
        process.communicate()
    assert 0.5 * bound < most <= bound
    cache = BoundedCache(tmp_path, bound)
    for number in range(60):
        size = 1000 + 997 * number
        data = cache.read(f"{number:02x}-key", size, 0, size)
        assert data is None or data == bytes([number]) * size


def test_a_full_disk_is_one_line_and_no_error(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from dvdgan.storage.bounded_cache import BoundedCache;"
        "cache = BoundedCache(Path(sys.argv[1]), 10**9); cache.put('aa', bytes(1000));"
        "[cache.put(f'{n:02}', bytes(2_000_000)) for n in range(3)];"
        "print(len(cache.read('aa', 1000, 0, 1000)), cache.read('00', 2_000_000, 0, 1));"
        "sys.stdout.flush(); sys.stdin.readline()"
    )

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            preexec_fn=small_disk,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    printed = [process.stdout.readline() for process in started]  # type: ignore[union-attr]
    errors = "".join(process.communicate("\n")[1] for process in started)
    assert printed == ["1000 None\n"] * 2
    assert errors == (
        f"shard cache: {tmp_path} cannot be written any more: File too large; "
        "shards are read without it\n"
    )
    assert not list(tmp_path.glob("*/*.tmp"))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="cannot be used") as raised:
        BoundedCache(tmp_path / "file" / "cache", 1000)
    assert "DVDGAN_SHARD_CACHE" in raised.value.todo


def test_a_folder_that_is_removed_meanwhile_is_no_error(
    cache: BoundedCache, capfd: pytest.CaptureFixture
) -> None:
    for path in cache.folder.iterdir():
        path.unlink()
    cache.folder.rmdir()
    for _ in range(2):
        cache.put("ab", b"data")
    assert cache.read("ab", 4, 0, 4) is None
    assert capfd.readouterr().err.count("cannot be written any more") == 1
