"""Small videos in every container that is read."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

COUNT, RATE = 24, 10

# Name -> format, codec, pixel format, options of the container.
FLAGS = "frag_keyframe+empty_moov"
CONTAINERS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "mp4": ("mp4", "libx264", "yuv420p", {}),
    "mp4, header first": ("mp4", "libx264", "yuv420p", {"movflags": "faststart"}),
    "mp4, fragments": ("mp4", "libx264", "yuv420p", {"movflags": FLAGS}),
    "mov": ("mov", "mpeg4", "yuv420p", {}),
    "mkv": ("matroska", "libx264", "yuv420p", {}),
    "mkv, ffv1": ("matroska", "ffv1", "yuv420p", {}),
    "webm": ("webm", "libvpx", "yuv420p", {}),
    "webm, live": ("webm", "libvpx", "yuv420p", {"live": "1"}),
    "avi": ("avi", "mpeg4", "yuv420p", {}),
    "avi, mjpeg": ("avi", "mjpeg", "yuvj420p", {}),
    "mpg": ("mpeg", "mpeg1video", "yuv420p", {}),
    "vob": ("vob", "mpeg2video", "yuv420p", {}),
    "ts": ("mpegts", "libx264", "yuv420p", {}),
    "m2ts": ("mpegts", "mpeg2video", "yuv420p", {"mpegts_m2ts_mode": "1"}),
    "flv": ("flv", "flv1", "yuv420p", {}),
    "wmv": ("asf", "wmv2", "yuv420p", {}),
    "ogg": ("ogg", "libvpx", "yuv420p", {}),
    "gif": ("gif", "gif", "rgb8", {}),
    "apng": ("apng", "apng", "rgb24", {}),
    "mxf": ("mxf", "mpeg2video", "yuv420p", {}),
    "dv": ("dv", "dvvideo", "yuv420p", {}),
}


def pictures(height: int, width: int) -> Iterator[np.ndarray]:
    """Noise that moves, so that every frame costs bytes."""
    levels = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    for number in range(COUNT):
        yield np.roll(levels, number, axis=1).repeat(8, axis=0).repeat(8, axis=1)


def make(name: str) -> bytes:
    """COUNT frames at RATE a second (DV: at 25) in a container of CONTAINERS."""
    container_format, codec, pixels, options = CONTAINERS[name]
    height, width, rate = (576, 720, 25) if codec == "dvvideo" else (48, 64, RATE)
    if container_format in ("mpeg", "vob", "mxf", "mpegts"):
        rate = 25
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "video")
        # Equal bytes in every run: no random identifiers, and x264 as in encode_mp4.
        options = {"fflags": "+bitexact", **options}
        with av.open(str(file), "w", format=container_format, options=options) as container:
            settings = {"x264-params": "mbtree=0"} if codec == "libx264" else {}
            stream = container.add_stream(codec, rate=rate, options=settings)
            stream.thread_count = 1
            stream.height, stream.width, stream.pix_fmt = height, width, pixels
            stream.codec_context.gop_size = 6
            if container_format == "mxf":
                stream.codec_context.max_b_frames = 0
            for picture in pictures(height, width):
                frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixels)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return file.read_bytes()
