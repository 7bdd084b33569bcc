"""One rule for what is data: `index` and a folder of clips to measure see the same videos."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from raw_index import manifest_of, section

from dvdgan.data.inspection import Inspected, Limits, inspect
from dvdgan.data.listing import ListedFile, list_folder, listing_of
from dvdgan.data.listing_file import describe_changes, read_listing, read_root, write_listing
from dvdgan.data.manifest import Manifest, write_manifest
from dvdgan.data.raw_root import LocalRoot
from dvdgan.data.raw_video import RawVideo
from dvdgan.data.refusal import Refusal
from dvdgan.data.sources.clip_source import Windowing
from dvdgan.data.sources.video_folder import VideoFolder
from dvdgan.errors import UserError
from dvdgan.storage.ignored import describe_ignored
from dvdgan.video.encode import encode_mp4

LIMITS = Limits(min_short_side=8, max_pixels=10**6, clip_frames=4, clip_stride=1)
NOBODY = 65534

LEFTOVERS = [
    ".hidden.mp4",
    ".ipynb_checkpoints",
    "._clip.mp4",
    ".DS_Store",
    "__MACOSX",
    "Thumbs.db",
    "@eaDir",
    "lost+found",
    "clip.mp4~",
    "clip.mp4.part",
]


def encoded(level: int) -> bytes:
    return encode_mp4(np.full((6, 32, 32, 3), level, np.uint8), 25)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of two videos each, no two of them equal."""
    for number, name in enumerate(("wave/0", "wave/1", "bend/0", "bend/1")):
        path = tmp_path / "videos" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(40 * number))
    return tmp_path / "videos"


def indexed(root: Path) -> Manifest:
    index = section(root, min_short_side=8, max_pixels=10**6, max_refused=0.0)
    return manifest_of(index, root.parent / "outcomes", limits=LIMITS)


def both_sides(root: Path) -> tuple[set[str], dict[str, str]]:
    """Accepted and refused (path: reason) of `index`; asserted to be those of the other side."""
    manifest, source = indexed(root), VideoFolder(root, Windowing(4), resolution=16)
    accepted = {row["path"] for row in manifest.videos}
    refused = {row.path: row.reason.value for row in manifest.refused}
    clips, labels, lines = source.read(0, len(source))
    assert {line.partition(",")[0] for line in lines} == {
        f"{path}: {reason}" for path, reason in refused.items() if reason != "empty_folder"
    }
    assert (len(clips), len(source)) == (len(accepted), len(accepted) + len(lines))
    classes = [path.partition("/")[0] for path in sorted(accepted)]
    assert source.classes is not None
    assert [source.classes[label] for label in labels] == classes
    assert source.ignored == manifest.ignored
    return accepted, refused


def test_leftovers_are_no_class_no_video_and_no_refusal(root: Path) -> None:
    accepted, _ = both_sides(root)
    write_manifest(indexed(root), root.parent / "before")
    for number, name in enumerate(LEFTOVERS):
        folder = root if number % 2 else root / "wave"
        if number % 3:
            (folder / name).write_bytes(encoded(200))
        else:
            shutil.copytree(root / "bend", folder / name)
    (root / "bend" / ".link.mp4").symlink_to("nowhere.mp4")
    assert both_sides(root) == (accepted, {})
    manifest = indexed(root)
    assert manifest.ignored.total() == len(LEFTOVERS) + 1
    write_manifest(manifest, root.parent / "after")
    for file in (root.parent / "before").iterdir():
        assert (root.parent / "after" / file.name).read_bytes() == file.read_bytes()


def test_one_copy_by_macos_for_each_file(root: Path) -> None:
    for path in sorted(root.rglob("*.mp4")):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    (root / "Thumbs.db").write_bytes(b"\xd0\xcf")
    accepted, refused = both_sides(root)
    assert (len(accepted), refused) == (4, {})
    described = describe_ignored(indexed(root).ignored)
    assert described == "5 hidden or system files left out: 4 ._*, 1 Thumbs.db"


def test_links_that_lead_nowhere_and_what_is_no_file_are_refused(root: Path) -> None:
    (root / "wave" / "dangling.mp4").symlink_to("nowhere.mp4")
    (root / "wave" / "loop.mp4").symlink_to("loop.mp4")
    (root / "nowhere").symlink_to("missing")
    (root / "wave" / "up").symlink_to("..")
    (root / "bend" / "empty.mp4").touch()
    (root / "bend" / "text.mp4").write_text("no video")
    os.mkfifo(root / "bend" / "pipe.mp4")
    Path(os.fsdecode(os.fsencode(root / "bend") + b"/\xff.mp4")).write_bytes(encoded(9))
    (root / "none").mkdir()
    accepted, refused = both_sides(root)
    assert len(accepted) == 4
    assert refused == {
        "wave/dangling.mp4": "unreadable",
        "wave/loop.mp4": "unreadable",
        "nowhere": "unreadable",
        "wave/up": "link_loop",
        "bend/empty.mp4": "empty_file",
        "bend/text.mp4": "not_a_video",
        "bend/pipe.mp4": "not_a_regular_file",
        "bend/\\xff.mp4": "name_not_utf8",
        "none": "empty_folder",
    }
    VideoFolder(root, Windowing(4)).fingerprint()


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder of nobody, who the test then is: to root every file is readable."""
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody")
    with tempfile.TemporaryDirectory() as name:
        os.chown(name, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            os.seteuid(0)


def test_what_may_not_be_read_is_refused(as_nobody: Path) -> None:
    root = as_nobody / "videos"
    for name in ("wave/0.mp4", "wave/1.mp4", "bend/0.mp4"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(50))
    (root / "wave" / "1.mp4").chmod(0)
    (root / "bend").chmod(0)
    found = list_folder(root, where="here")
    assert [(row.path, row.reason) for row in found.refused] == [("bend", Refusal.UNREADABLE)]
    unreadable = RawVideo(**asdict(found.files["wave/1.mp4"]))
    outcome = inspect(Inspected(unreadable), LocalRoot(root), LIMITS)
    source = VideoFolder(root, Windowing(4))
    assert source.read(0, 3).refused == [
        "bend: unreadable, Permission denied",
        f"{outcome.path}: unreadable, Permission denied",
    ]
    root.chmod(0)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        list_folder(root, where="here")


def test_a_flat_folder_is_read_by_the_same_rule(root: Path) -> None:
    folder = root / "wave"
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "dangling.mp4").symlink_to("nowhere.mp4")
    source = VideoFolder(folder, Windowing(4))
    assert (source.classes, len(source), source.shape) == (None, 3, (4, 32))
    clips, labels, refused = source.read(0, 3)
    assert (len(clips), labels.tolist()) == (2, [-1, -1])
    assert refused == ["dangling.mp4: unreadable, No such file or directory"]
    assert source.ignored == {"Thumbs.db": 1, ".*": 1}


def test_a_folder_of_leftovers_alone_is_empty(tmp_path: Path) -> None:
    (tmp_path / "Thumbs.db").touch()
    with pytest.raises(
        UserError, match=r"is empty except for 1 hidden or system file .*Thumbs\.db"
    ):
        VideoFolder(tmp_path, Windowing(4))


def test_a_store_is_listed_in_the_order_of_a_folder() -> None:
    names = ["a b/0.mp4", "a/1.mp4", "a/0.mp4", "a/", "a/._0.mp4", "a//2.mp4", "../x.mp4", "z.mp4"]
    listing = listing_of(ListedFile(name, 7, etag=f"{name} etag") for name in names)
    assert list(listing.files) == ["a/0.mp4", "a/1.mp4", "a b/0.mp4", "z.mp4"]
    assert {row.path: row.reason for row in listing.refused} == {"a//2.mp4": Refusal.UNREADABLE}
    assert listing.ignored == {"._*": 1, ".*": 1}  # the second is ..


def test_a_listing_comes_back_as_it_was(root: Path, tmp_path: Path) -> None:
    (root / "wave" / "dangling.mp4").symlink_to("nowhere.mp4")
    before = list_folder(root, where="here")
    write_listing(before, "s3://bucket/видео", tmp_path / "one")
    assert read_listing(tmp_path / "one").entries == before.entries
    assert read_root(tmp_path / "one") == "s3://bucket/видео"
    (root / "wave" / "0.mp4").unlink()
    (root / "wave" / "2.mp4").write_bytes(b"new")
    (root / "bend" / "0.mp4").write_bytes(b"changed")
    now = list_folder(root, where="here")
    assert describe_changes(before, now) == "1 added, 1 changed, 1 removed"
