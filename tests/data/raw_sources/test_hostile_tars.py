"""Tars whose members are dangerous, damaged or mutated."""

import io
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from raw_index import section
from tars import header, read_tars, refused, video, write_tar

from dvdgan.data.raw_root import LocalRoot
from dvdgan.data.raw_sources.webdataset import WEBDATASET
from dvdgan.data.refusal import Refusal


def test_dangerous_members_are_refused_and_the_others_taken(tmp_path: Path) -> None:
    root = tmp_path / "tars"
    root.mkdir()
    good, label = video(1), b"jump"
    members = {
        "ok.mp4": good,
        "ok.cls": label,
        "/etc/absolute.mp4": good,
        "a/../../parent.mp4": good,
        "bad\udcff.mp4": good,
        "._ok.mp4": b"what macOS leaves",
        "__MACOSX/ok.mp4": b"too",
    }
    link = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}
    more = [
        header("folder", type=tarfile.DIRTYPE),
        header("symbolic.mp4", **link),
        header("hard.mp4", type=tarfile.LNKTYPE, linkname="ok.mp4"),
        header("device.mp4", type=tarfile.CHRTYPE),
        header("block.mp4", type=tarfile.BLKTYPE),
        header("pipe.mp4", type=tarfile.FIFOTYPE),
    ]
    write_tar(root / "a.tar", members, *more)
    found = read_tars(root)
    assert [row["member"] for row in found.videos] == ["ok.mp4"]
    reasons = {
        path.removeprefix("a.tar (")[:-1]: reason for path, (reason, _) in refused(found).items()
    }
    unsafe = ["/etc/absolute", "a/../../parent", "symbolic", "hard", "device", "block", "pipe"]
    assert reasons == {
        **{f"{name}.mp4": Refusal.UNSAFE_MEMBER for name in unsafe},
        "bad\\xff.mp4": Refusal.NAME_NOT_UTF8,
    }


def negative_size(content: bytes) -> bytes:
    """The second header with the size -1024 in base 256, and a checksum that fits."""
    head = bytearray(content[1024:1536])
    head[124:136] = b"\xff" * 10 + b"\xfc\x00"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return content[:1024] + bytes(head) + content[1536:]


@pytest.mark.parametrize(
    ("damage", "members", "detail"),
    [
        (lambda tar: tar[:1024], ["a.cls"], "without a tar's end marker"),
        (lambda tar: tar[:1600], ["a.cls"], "within the member 'b.cls'"),
        (lambda tar: tar[:1300], ["a.cls"], "the file ends at byte 1300"),
        (lambda tar: tar[:1030] + b"?" + tar[1031:], ["a.cls"], "the data after byte 1024"),
        (lambda tar: tar + tar, ["a.cls", "b.cls", "c.cls"], "another tar was appended"),
        (lambda tar: b"?" * 5000, [], "not a complete tar"),
        (lambda tar: tar[:100], [], "not a complete tar"),
        (negative_size, ["a.cls"], "the header at byte 1024 is damaged"),
    ],
)
def test_what_lies_before_damage_is_listed_and_the_rest_named(
    tmp_path: Path, damage: Callable[[bytes], bytes], members: list[str], detail: str
) -> None:
    write_tar(tmp_path / "a.tar", dict.fromkeys(("a.cls", "b.cls", "c.cls"), b"0" * 200))
    content = (tmp_path / "a.tar").read_bytes()[:5120]
    (tmp_path / "a.tar").write_bytes(damage(content))
    root = LocalRoot(tmp_path)
    table = WEBDATASET.read(root.list(), root, section(tmp_path, source="webdataset"))
    *samples, last = table.refused
    assert [each.path for each in samples] == [f"a.tar ({name[0]})" for name in members]
    assert (last.path, last.reason) == ("a.tar", Refusal.DAMAGED)
    assert detail in last.detail
    assert f"{len(members)} members before it are read" in last.detail


def test_mutated_tars_are_refused_or_read(tmp_path: Path) -> None:
    root, rng = tmp_path / "tars", random.Random(15)
    root.mkdir()
    long = "f" * 120 + "/" + "g" * 120  # which needs a header of its own, before the member's
    members = {}
    for number, name in enumerate(("a", "b", long)):
        members |= {f"{name}.gif": video(number, "gif", 4), f"{name}.json": b'{"label": 1}'}
    for kind in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(tmp_path / f"whole-{kind}.tar", "w", format=kind) as tar:
            for name, content in members.items():
                tar.addfile(header(name, size=len(content)), io.BytesIO(content))
    wholes = [file.read_bytes() for file in sorted(tmp_path.glob("whole-*.tar"))]
    heads = []
    for whole in wholes:
        with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
            heads.append([member.offset for member in tar])
    for number in range(100):
        whole, starts = wholes[number % 2], heads[number % 2]
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            place = min(rng.choice(starts) + rng.randrange(512), len(content) - 1)
            match rng.randrange(5):
                case 0:
                    content[place] ^= 1 << rng.randrange(8)
                case 1:
                    del content[place:]
                case 2:
                    del content[place : place + rng.choice([1, 512])]
                case 3:
                    content[place:place] = rng.randbytes(rng.choice([1, 512]))
                case 4:  # a field with a checksum that fits: what an attacker writes
                    start = place // 512 * 512
                    field = rng.choice([124, 156, 257, 345])
                    content[start + field : start + field + 12] = rng.randbytes(12)
                    content[start + 148 : start + 156] = b" " * 8
                    total = sum(content[start : start + 512])
                    content[start + 148 : start + 156] = b"%06o\0 " % total
            content = content or bytearray(1)
        (root / f"{number}.tar").write_bytes(content)
    found = read_tars(root)
    files = {row["path"] for row in found.videos} | {
        each.path.partition(" ")[0] for each in found.refused
    }
    assert len(files) == 100
    assert len(found.videos) > 60
    assert len(found.refused) > 60
    assert all(each.detail for each in found.refused)
    for row in found.videos:
        assert row["offset"] + row["bytes"] <= (root / row["path"]).stat().st_size
