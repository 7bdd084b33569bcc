"""Imitations of BAIR robot pushing: TFRecords of tf.train.Example, written byte by byte."""

import struct
from pathlib import Path

import google_crc32c
import numpy as np
from numpy.typing import NDArray


def arm_video(number: int, frames: int = 30) -> NDArray[np.uint8]:
    """(frames, 64, 64, 3) uint8: a bright arm that reaches further each frame, over boxes."""
    rng = np.random.default_rng(number)
    scene = np.full((64, 64, 3), 90, np.uint8)
    for _ in range(4):
        top, left = rng.integers(0, 52, 2)
        scene[top : top + 10, left : left + 10] = rng.integers(0, 256, 3)
    video = np.repeat(scene[None], frames, axis=0)
    column, speed = rng.integers(8, 48), rng.uniform(0.5, 2)
    for time, frame in enumerate(video):
        frame[: 4 + int(speed * time), column : column + 8] = (220, 200, 40)
    return video


def example(video: NDArray[np.uint8], main: NDArray[np.uint8] | None = None) -> bytes:
    """A record's data: ``video`` by the camera image_aux1, ``main`` (or its negative) by the other.

    Features stand in an order of their own, as in a map.
    """
    other = 255 - video if main is None else main
    features = []
    for time in reversed(range(len(video))):
        features += [
            byte_string(f"{time}/image_main/encoded", other[time].tobytes()),
            floats(f"{time}/action", [0.1 * time, 0.0, -0.5, 1.0]),
            byte_string(f"{time}/image_aux1/encoded", video[time].tobytes()),
            floats(f"{time}/endeffector_pos", [0.6, 0.02 * time, 0.2]),
        ]
    return example_of(features)


def example_of(features: list[bytes]) -> bytes:
    """Example.features (1) = Features, whose map feature (1) has ``features`` as its entries."""
    return field(1, b"".join(field(1, feature) for feature in features))


def byte_string(name: str, value: bytes) -> bytes:
    """An entry: key (1), value (2) = Feature.bytes_list (1) = BytesList.value (1)."""
    return field(1, name.encode()) + field(2, field(1, field(1, value)))


def floats(name: str, values: list[float]) -> bytes:
    """An entry: key (1), value (2) = Feature.float_list (2) = FloatList.value (1), packed."""
    packed = struct.pack(f"<{len(values)}f", *values)
    return field(1, name.encode()) + field(2, field(2, field(1, packed)))


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    length, size = b"", len(content)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def framed(data: bytes) -> bytes:
    """A record of a TFRecord file."""
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def masked(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    rotated = (crc >> 15) | (crc & 0x7FFF) << 17
    return struct.pack("<I", (rotated + 0xA282EAD8) % 2**32)


def write_robot_pushing(root: Path, train: int, test: int, per_file: int, frames: int = 30) -> None:
    """``train`` and ``test`` videos in files of ``per_file``, number n being arm_video(n)."""
    for split, numbers in (("train", range(train)), ("test", range(train, train + test))):
        folder = root / "softmotion30_44k" / split
        folder.mkdir(parents=True)
        for first in range(0, len(numbers), per_file):
            own = numbers[first : first + per_file]
            file = folder / f"traj_{first}_to_{first + len(own) - 1}.tfrecords"
            file.write_bytes(b"".join(framed(example(arm_video(each, frames))) for each in own))
