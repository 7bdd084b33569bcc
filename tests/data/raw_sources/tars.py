"""Tars of small videos, good and bad, and the manifest of a folder of them."""

import io
import tarfile
from pathlib import Path
from typing import Any

import av
import numpy as np
from raw_index import manifest_of, section

from dvdgan.data.inspection import Limits
from dvdgan.data.manifest import Manifest
from dvdgan.data.refusal import Refusal

LIMITS = Limits(min_short_side=32, max_pixels=9_437_184, clip_frames=4, clip_stride=1)


def video(number: int, ending: str = "mp4", frames: int = 6) -> bytes:
    """A file of ``frames`` frames of 32 x 32, different for each ``number``."""
    rng = np.random.default_rng(number)
    codec, pixels = {"gif": ("gif", "rgb8"), "webm": ("libvpx", "yuv420p")}.get(
        ending, ("mpeg4", "yuv420p")
    )
    buffer = io.BytesIO()
    kind = {"mkv": "matroska"}.get(ending, ending)
    with av.open(buffer, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = pixels
        for picture in rng.integers(0, 256, (frames, 4, 4, 3), np.uint8):
            large = np.ascontiguousarray(picture.repeat(8, 0).repeat(8, 1))
            for packet in stream.encode(av.VideoFrame.from_ndarray(large, "rgb24")):
                container.mux(packet)
        container.mux(stream.encode())
    return buffer.getvalue()


def header(name: str, **fields: Any) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(member, key, value)
    return member


def write_tar(path: Path, members: dict[str, bytes], *more: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            tar.addfile(header(name, size=len(content)), io.BytesIO(content))
        for member in more:
            tar.addfile(member)


def refused(found: Manifest) -> dict[str, tuple[Refusal, str]]:
    return {each.path: (each.reason, each.detail) for each in found.refused}


def read_tars(root: Path) -> Manifest:
    return manifest_of(section(root, source="webdataset"), root.parent / "kept", limits=LIMITS)
