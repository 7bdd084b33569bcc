"""A folder of video files, flat or one folder per class: a clip from each."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dvdgan.data.listing import ListedFile, Listing, list_folder, refuse_pictures
from dvdgan.data.raw_sources.class_folders import class_entries
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.sources.clip_source import NO_CLASS, SourceClips, Windowing
from dvdgan.data.table import VideoRow
from dvdgan.errors import UserError
from dvdgan.video.decode import VideoError, frame_count, window
from dvdgan.video.image import center_crop, resize_short_side
from dvdgan.video.preprocessing import Framing, Preprocessing

_Clip = NDArray[np.uint8]


class VideoFolder:
    """The videos below ``root`` by name, as `data.listing` finds them; subfolders are classes.

    With ``resolution`` every frame's short side is resized to it (antialiased bilinear) and the
    centre cropped; without, all videos must be square and of one size. Raises UserError for an
    empty folder and for videos next to class folders.
    """

    numbers = None

    def __init__(
        self, root: Path, windowing: Windowing, resolution: int | None = None, threads: int = 0
    ) -> None:
        self.root, self.windowing = root, windowing
        self._listing = list_folder(root, where=str(root))
        self.ignored = self._listing.ignored
        self._entries = _entries(self._listing, root)
        rows = [entry for entry in self._entries if isinstance(entry, VideoRow)]
        names = sorted({row.label for row in rows}, key=os.fsencode)
        self.classes = None if names == [""] else names
        self._label = {name: label for label, name in enumerate(self.classes or [])}
        self._resize = resolution is not None
        self._resolution = resolution or self._first_size()
        self._threads = threads or len(os.sched_getaffinity(0))

    @property
    def shape(self) -> tuple[int, int]:
        return self.windowing.frames, self._resolution

    @property
    def preprocessing(self) -> Preprocessing:
        framing: Framing = "resized" if self._resize else "whole"
        return Preprocessing(self.windowing.stride, self.windowing.window, framing)

    def __len__(self) -> int:
        return len(self._entries)

    def read(self, start: int, stop: int) -> SourceClips:
        """A clip of each file in turn; files that give none are refused.

        Raises UserError if a size differs from the others' and no resolution was given.
        """
        places = range(start, min(stop, len(self)))
        clips: list[_Clip] = []
        labels: list[int] = []
        refused: list[str] = []
        # A decoder lets go of the interpreter, so threads decode side by side.
        with ThreadPoolExecutor(self._threads) as pool:
            for found in pool.map(self._read, places):
                if isinstance(found, Refused):
                    refused.append(f"{found.path}: {found.reason.value}, {found.detail}")
                else:
                    clip, label = found
                    clips.append(clip)
                    labels.append(label)
        frames, size = self.shape
        stacked = np.stack(clips) if clips else np.empty((0, frames, size, size, 3), np.uint8)
        frames_first = torch.from_numpy(stacked).permute(0, 1, 4, 2, 3).contiguous()
        return SourceClips(frames_first, torch.tensor(labels, dtype=torch.int64), refused)

    def fingerprint(self) -> str:
        """Of names, sizes and times of change (a hash of terabytes of video would take hours)."""
        digest = hashlib.sha256(f"{self.windowing}, {self.shape}, {self._resize}\n".encode())
        for entry in self._entries:
            digest.update(f"{entry} {self._listing.files.get(entry.path)}\n".encode())
        return digest.hexdigest()

    def _read(self, place: int) -> tuple[_Clip, int] | Refused:
        entry = self._entries[place]
        if isinstance(entry, Refused):
            return entry
        try:
            clip = self._clip(entry, place)
        except VideoError as error:
            return Refused(entry.path, Refusal(error.reason.value), error.detail)
        except OSError as error:
            return Refused(entry.path, Refusal.UNREADABLE, error.strerror or str(error))
        if isinstance(clip, Refused):
            return clip
        return clip, self._label.get(entry.label, NO_CLASS)

    def _clip(self, entry: VideoRow, place: int) -> _Clip | Refused:
        file, taken = self.root / entry.path, self.windowing
        length = taken.span if taken.window == "first" else frame_count(file)
        begin = taken.start(max(length, taken.span), place)
        found = window(file, begin, taken.frames, taken.stride)
        if len(found.frames) < taken.frames:
            return Refused(
                entry.path,
                Refusal.TOO_SHORT,
                f"a clip of {taken.frames} frames at stride {taken.stride} needs {taken.span} "
                f"frames; the file has fewer",
            )
        size = self._resolution
        if self._resize:
            resized = [resize_short_side(each, size, found.sample_aspect) for each in found.frames]
            return center_crop(np.stack(resized), size)
        clip = np.stack(found.frames)
        if clip.shape[1:3] != (size, size):
            raise _sizes_differ(self.root, entry.path, clip.shape[1:3], size)
        return clip

    def _first_size(self) -> int:
        """Width = height of the first video that can be decoded."""
        reasons = []
        for entry in self._entries:
            if isinstance(entry, Refused):
                reasons.append(f"{entry.path}: {entry.detail}")
                continue
            try:
                found = window(self.root / entry.path, 0, 1, 1)
            except VideoError as error:
                reasons.append(f"{entry.path}: {error.detail}")
                continue
            except OSError as error:
                reasons.append(f"{entry.path}: {error.strerror or error}")
                continue
            if found.frames:
                height, width = found.frames[0].shape[:2]
                if height != width:
                    raise _sizes_differ(self.root, entry.path, (height, width), None)
                return int(height)
        raise UserError(
            "none of the folder's files can be decoded",
            where="\n         ".join([str(self.root), *reasons[:3]]),
            todo="give a folder of videos (mp4, mov, mkv, webm, avi, gif, ...)",
        )


def _sizes_differ(root: Path, path: str, shape: tuple[int, ...], size: int | None) -> UserError:
    others = "and clips are square" if size is None else f"and others {size}x{size}"
    return UserError(
        f"{path} is {shape[1]}x{shape[0]} pixels {others}",
        where=str(root),
        todo="choose a size with --resolution: the short side is resized and the centre cropped",
    )


def _entries(listing: Listing, root: Path) -> list[VideoRow | Refused]:
    """The videos and the refused files, in order; UserError for files next to class folders."""
    refuse_pictures(str(root), listing)
    found = [entry for entry in listing.entries if not _is_no_file(entry)]
    if not any("/" in entry.path for entry in found):
        return [
            entry if isinstance(entry, Refused) else VideoRow(entry.path, label="")
            for entry in found
        ]
    entries = list(class_entries(Listing(found, listing.ignored), nested=False))
    for entry in entries:
        if isinstance(entry, Refused) and entry.reason is Refusal.NOT_IN_A_CLASS_FOLDER:
            raise UserError(
                f"the folder contains files and folders: {entry.path} is next to folders",
                where=str(root),
                todo="give a folder of videos, or a folder with one subfolder of videos per class",
            )
    return entries


def _is_no_file(entry: ListedFile | Refused) -> bool:
    return isinstance(entry, Refused) and entry.reason is Refusal.EMPTY_FOLDER
