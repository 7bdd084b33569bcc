"""A folder of video files, flat or one folder per class: a clip from each."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dvdgan.data.pictures import refuse_pictures
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.scan import printable
from dvdgan.data.sources.clip_source import NO_CLASS, Clips, Windowing
from dvdgan.errors import UserError
from dvdgan.video.decode import VideoError, frame_count, window
from dvdgan.video.preprocessing import Framing, Preprocessing
from dvdgan.video.transform import center_crop, resize_short_side

Clip = NDArray[np.uint8]


class VideoFolder:
    """The videos below ``root`` by name; subfolders are classes. Hidden files are passed over.

    With ``resolution`` every frame's short side is resized to it (antialiased bilinear) and the
    centre cropped; without, all videos must be square and of one size. Raises UserError for an
    empty folder and for videos beside class folders.
    """

    def __init__(
        self, root: Path, windowing: Windowing, resolution: int | None = None, threads: int = 0
    ) -> None:
        self.root, self.windowing = root, windowing
        self._files, self.classes = _videos(root)
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
        return len(self._files)

    def read(self, start: int, stop: int) -> Clips:
        """A clip of each file in turn; files that give none are refused.

        Raises UserError where a size differs from the others' and none was asked for.
        """
        places = range(start, min(stop, len(self)))
        clips: list[Clip] = []
        labels: list[int] = []
        refused: list[str] = []
        # A decoder lets go of the interpreter, so threads decode side by side.
        with ThreadPoolExecutor(self._threads) as pool:
            for place, found in zip(places, pool.map(self._read, places), strict=True):
                if isinstance(found, Refused):
                    refused.append(f"{found.path}: {found.reason.value}, {found.detail}")
                else:
                    clips.append(found)
                    labels.append(self._label.get(self._files[place].parent.name, NO_CLASS))
        frames, size = self.shape
        stacked = np.stack(clips) if clips else np.empty((0, frames, size, size, 3), np.uint8)
        frames_first = torch.from_numpy(stacked).permute(0, 1, 4, 2, 3).contiguous()
        return Clips(frames_first, torch.tensor(labels, dtype=torch.int64), refused)

    def fingerprint(self) -> str:
        """Of names, sizes and times of change (a hash of terabytes of video would take hours)."""
        digest = hashlib.sha256(f"{self.windowing}, {self.shape}, {self._resize}\n".encode())
        for file in self._files:
            status = (self.root / file).stat()
            digest.update(os.fsencode(f"{file}\0{status.st_size} {status.st_mtime_ns}\n"))
        return digest.hexdigest()

    def _read(self, place: int) -> Clip | Refused:
        file = self._files[place]
        if not (self.root / file).is_file():
            detail = "a folder, pipe, device or dangling link"
            return Refused(printable(str(file)), Refusal.NOT_A_REGULAR_FILE, detail)
        try:
            return self._clip(place)
        except VideoError as error:
            return Refused(printable(str(file)), Refusal(error.reason.value), error.detail)
        except OSError as error:
            detail = error.strerror or str(error)
            return Refused(printable(str(file)), Refusal.UNREADABLE, detail)

    def _clip(self, place: int) -> Clip | Refused:
        file, asked = self._files[place], self.windowing
        length = asked.span if asked.window == "first" else frame_count(self.root / file)
        begin = asked.start(max(length, asked.span), place)
        found = window(self.root / file, begin, asked.frames, asked.stride)
        if len(found.frames) < asked.frames:
            return Refused(
                printable(str(file)),
                Refusal.TOO_SHORT,
                f"a clip of {asked.frames} frames at stride {asked.stride} needs {asked.span} "
                f"frames; the file has fewer",
            )
        size = self._resolution
        if self._resize:
            resized = [resize_short_side(each, size, found.sample_aspect) for each in found.frames]
            return center_crop(np.stack(resized), size)
        clip = np.stack(found.frames)
        if clip.shape[1:3] != (size, size):
            raise _sizes_differ(self.root, file, clip.shape[1:3], size)
        return clip

    def _first_size(self) -> int:
        """Width = height of the first video that can be decoded."""
        for file in self._files:
            if not (self.root / file).is_file():
                continue
            try:
                found = window(self.root / file, 0, 1, 1)
            except VideoError:
                continue
            if found.frames:
                height, width = found.frames[0].shape[:2]
                if height != width:
                    raise _sizes_differ(self.root, file, (height, width), None)
                return int(height)
        raise UserError(
            "no file of the folder can be decoded",
            where=str(self.root),
            todo="name a folder of videos (mp4, mov, mkv, webm, avi, gif, ...)",
        )


def _sizes_differ(root: Path, file: Path, shape: tuple[int, ...], size: int | None) -> UserError:
    others = "and clips are square" if size is None else f"and others {size}x{size}"
    return UserError(
        f"{printable(str(file))} is {shape[1]}x{shape[0]} pixels {others}",
        where=str(root),
        todo="choose a size with --resolution: the short side is resized, the centre cropped",
    )


def _videos(root: Path) -> tuple[list[Path], list[str] | None]:
    """Files relative to ``root`` in the order of their names, and the class folders if any."""
    names = sorted((each for each in root.iterdir() if each.name[0] != "."), key=os.fsencode)
    folders = [each for each in names if each.is_dir()]
    files = [each for each in names if not each.is_dir()]
    if folders and files:
        raise UserError(
            f"the folder holds files and folders: {files[0].name} beside {folders[0].name}/",
            where=str(root),
            todo="name a folder of videos, or one that holds a folder of videos per class",
        )
    for folder in folders:
        members = sorted((m for m in folder.iterdir() if m.name[0] != "."), key=os.fsencode)
        files += members
    if not files:
        raise UserError("the folder holds no video", where=str(root))
    refuse_pictures(root, files)
    classes = [folder.name for folder in folders] or None
    return [file.relative_to(root) for file in files], classes
