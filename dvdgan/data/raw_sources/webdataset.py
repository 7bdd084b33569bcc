"""WebDataset: tars of samples, each of them a video and its class under one key.

The key of a member is its name up to the first dot of its last part. `KEY.mp4` (or another video)
goes with `KEY.cls` (a number or a name), `KEY.json` (with "class" or "label") or `KEY.txt`.
"""

import json
import re
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from dvdgan.data.listing import ListedFile, Listing, printable
from dvdgan.data.raw_root import RawRoot, read_text
from dvdgan.data.raw_sources.archives import read_archives
from dvdgan.data.raw_sources.raw_source import RawSource
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.table import SPLITS, Table, VideoRow
from dvdgan.data.tar_members import members_of
from dvdgan.errors import UserError
from dvdgan.storage.ignored import ignored_as
from dvdgan.storage.range_reader import RangeReader, buffered

if TYPE_CHECKING:
    from dvdgan.config.schema import Index

VIDEOS = ("mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "gif")
LABELS = ("cls", "json", "txt")  # the first that is there counts
CLASSES = "classes.txt"
LAYOUT = "*.tar of <key>.mp4 and <key>.cls, with or without a classes.txt"

# Headers are 512 bytes, mostly far apart.
BLOCK_BYTES = 16 << 10
MOST_LABEL_BYTES = 1 << 20
MOST_NAME_LETTERS = 200

VIDEO = "video"
Members = dict[str, tarfile.TarInfo]
"""The members of one key: VIDEO and some of LABELS."""


def recognises(listing: Listing) -> bool:
    """Whether there are tars, but no videos."""
    endings = {path.rpartition(".")[2].lower() for path in listing.files}
    return "tar" in endings and endings.isdisjoint(VIDEOS)


def read(listing: Listing, root: RawRoot, section: "Index") -> Table:
    """A row for each sample. Reads the headers of the members and their classes, and no video."""
    if not any(path.lower().endswith(".tar") for path in listing.files):
        compressed = [path for path in listing.files if _is_compressed(path)]
        raise UserError(
            f"there are only compressed tars, such as {compressed[0]}"
            if compressed
            else "there are no *.tar files",
            where=f"index.root = {root}",
            todo=("decompress them (gunzip), because videos are read by their position in the file")
            if compressed
            else f"index.source webdataset reads {LAYOUT}",
        )
    classes = None
    if CLASSES in listing.files:
        classes = [line.strip() for line in read_text(root, CLASSES).splitlines() if line.strip()]

    def table_of(file: ListedFile) -> Table:
        if not file.path.lower().endswith(".tar"):
            detail = "a compressed tar; decompress it" if _is_compressed(file.path) else "not a tar"
            return Table([], [Refused(file.path, Refusal.NOT_IN_THE_TABLE, detail)])
        return _tar_table(file, root, classes)

    found = read_archives(
        [each for each in listing.files.values() if each.path != CLASSES], table_of
    )
    return Table(found.rows, listing.refused + found.refused)


def split_of(path: str) -> str | None:
    """The split that a word of the file's name gives, as in train-00000.tar, else a folder's name.

    None if there is none, or several.
    """
    *folders, name = path.lower().split("/")
    for words in (re.split(r"[^a-z]+", name), *([folder] for folder in reversed(folders))):
        found = {SPLITS[word] for word in words if word in SPLITS}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _is_compressed(path: str) -> bool:
    return path.lower().endswith((".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"))


def _tar_table(archive: ListedFile, root: RawRoot, classes: list[str] | None) -> Table:
    def fetch(start: int, length: int) -> bytes:
        return root.read(archive.path, start, length)

    reader = RangeReader(f"{root}/{archive.path}", archive.size, fetch, block_bytes=BLOCK_BYTES)
    table = Table([])

    def refuse(name: str, reason: Refusal, detail: str) -> None:
        table.refused.append(Refused(f"{archive.path} ({printable(name)})", reason, detail))

    with buffered(reader) as file:
        members, problem = members_of(file, archive.size)
        samples: dict[str, Members] = {}
        for member in members:
            if member.isdir():
                continue
            objection = _objection(member)
            if objection is not None:
                refuse(member.name, *objection)
                continue
            if any(map(ignored_as, PurePosixPath(member.name).parts)):
                continue
            key, kind = _key_and_kind(member.name)
            sample = samples.setdefault(key, {})
            if kind is not None and sample.setdefault(kind, member) is not member:
                detail = f"the key already has {sample[kind].name}; the first one is used"
                refuse(member.name, Refusal.DUPLICATE_MEMBER, detail)
        for key, sample in samples.items():
            video = sample.get(VIDEO)
            if video is None:
                refuse(key, Refusal.INCOMPLETE_SAMPLE, f"no video: none of {', '.join(VIDEOS)}")
                continue
            label, why = _label(file, sample, classes)
            if label is None:
                refuse(video.name, Refusal.INCOMPLETE_SAMPLE, why)
                continue
            table.rows.append(
                VideoRow(
                    archive.path,
                    label,
                    split_of(archive.path),
                    member=video.name,
                    offset=video.offset_data,
                    length=video.size,
                )
            )
    if problem is not None:
        detail = f"{problem}; {len(members)} members before it are read"
        table.refused.append(Refused(archive.path, Refusal.DAMAGED, detail))
    return table


def _objection(member: tarfile.TarInfo) -> tuple[Refusal, str] | None:
    """Why ``member`` is not taken, whatever it holds."""
    if not member.isreg() or member.sparse is not None:
        return Refusal.UNSAFE_MEMBER, "a link, device, pipe or sparse file"
    if member.name.startswith("/") or ".." in member.name.split("/"):
        return Refusal.UNSAFE_MEMBER, "its path is absolute or points outside the archive"
    if printable(member.name) != member.name:
        return Refusal.NAME_NOT_UTF8, "the name is not UTF-8"
    return None


def _key_and_kind(name: str) -> tuple[str, str | None]:
    """The key of a member, and VIDEO or one of LABELS; None for what else belongs to a sample."""
    folder, slash, last = name.rpartition("/")
    stem, _, endings = last.partition(".")
    ending = endings.lower().rpartition(".")[2]
    kind = VIDEO if ending in VIDEOS else ending
    return f"{folder}{slash}{stem}", kind if kind in (VIDEO, *LABELS) else None


def _label(file: BinaryIO, sample: Members, classes: list[str] | None) -> tuple[str | None, str]:
    """The name of the class; or None, and why there is none."""
    ending = next((each for each in LABELS if each in sample), None)
    if ending is None:
        return None, f"no class: none of {', '.join(LABELS)}"
    member = sample[ending]
    if member.size > MOST_LABEL_BYTES:
        return None, f"{member.name} has {member.size} bytes, too many for a class"
    file.seek(member.offset_data)
    content = file.read(member.size)
    try:
        text = content.decode("utf-8-sig").strip()
        label = _in_json(text) if ending == "json" else text
    except (ValueError, RecursionError):
        return None, f"{member.name} is not UTF-8 text" + (" of JSON" if ending == "json" else "")
    if classes is not None and re.fullmatch(r"\d{1,9}", label, re.ASCII):
        if int(label) >= len(classes):
            return None, f"{member.name} is {label}, but {CLASSES} has {len(classes)} lines"
        label = classes[int(label)]
    if not label.isprintable() or not 0 < len(label) <= MOST_NAME_LETTERS:
        return None, f"{member.name} is not the name of a class on one line"
    return label, ""


def _in_json(text: str) -> str:
    """The class that a JSON text names; empty if it names none."""
    value = json.loads(text)
    if isinstance(value, dict):
        value = next((value[key] for key in ("class", "label") if key in value), None)
    known = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value).strip() if known else ""


WEBDATASET = RawSource(name="webdataset", layout=LAYOUT, recognises=recognises, read=read)
