"""A small set of real, encoded videos: moving shapes, with the frame number in the picture."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dvdgan.progress import track
from dvdgan.storage.local import atomic_directory
from dvdgan.storage.output import check_output_folder, check_stage_output
from dvdgan.video.encode import encode_mp4

_Array = NDArray[np.float64]

FPS = 25
BITS = 8
# Grey levels of the barcode: apart enough to survive h264, JPEG and resizing, dim enough not to
# be what a network spends itself on.
ZERO, ONE = 40, 110


def write_synthetic(
    root: Path, videos_per_class: int = 24, size: int = 64, frames: int = 32, seed: int = 0
) -> bool:
    """Write root/<class>/<nnn>.mp4, h264, ``size`` x ``size``, 25 fps, one class per motion.

    Equal arguments give equal bytes. A folder of these classes is left as it is; returns whether
    the videos were written. Raises UserError where ``root`` holds anything else, or is no folder.
    """
    check_stage_output(root)
    there = {path.name for path in root.iterdir()} if root.is_dir() else set()
    if there == MOTIONS.keys():
        return False
    check_output_folder(root)
    names = [(label, number) for label in MOTIONS for number in range(videos_per_class)]
    with atomic_directory(root) as aside:
        for label, number in track(names, "synthetic", len(names), "videos"):
            stream = list(MOTIONS).index(label)
            pixels = draw(label, np.random.default_rng([seed, stream, number]), size, frames)
            path = aside / label / f"{number:03d}.mp4"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(encode_mp4(pixels, FPS))
    return True


def draw(label: str, rng: np.random.Generator, size: int, frames: int) -> NDArray[np.uint8]:
    """One video of class ``label``, (frames, size, size, 3) uint8, barcode included."""
    strip = _strip_height(size)
    y, x = np.mgrid[0 : size - strip, 0:size] + 0.5
    time = np.arange(frames, dtype=float)[:, None, None]
    distance = MOTIONS[label](rng, x / size, y / size, time) * size
    coverage = np.clip(0.5 - distance, 0, 1)[..., None]
    colour = np.roll(
        [rng.uniform(200, 255), rng.uniform(60, 255), rng.uniform(40, 90)], rng.integers(3)
    )
    background = rng.uniform(5, 35, 3)
    picture = background + coverage * (colour - background)
    codes = [_barcode(number, size) for number in range(frames)]
    return np.concatenate([np.rint(picture).astype(np.uint8), codes], axis=1)


def read_frame_number(frame: NDArray[np.uint8]) -> int:
    """The number drawn into a square (H, W, 3) uint8 frame, 32 to 128 pixels wide."""
    size = frame.shape[0]
    edges = np.linspace(0, size, BITS + 1)
    centres = ((edges[:-1] + edges[1:]) / 2).astype(int)
    strip = _strip_height(size)
    row = size - (strip + 1) // 2
    levels = [frame[row - 1 : row + 1, at - 1 : at + 1].mean() for at in centres]
    return sum(1 << bit for bit, level in enumerate(levels) if level > (ZERO + ONE) / 2)


def _strip_height(size: int) -> int:
    return max(3, round(size / 10))


def _barcode(number: int, size: int) -> NDArray[np.uint8]:
    block = np.arange(size) * BITS // size
    row = np.where((number % (1 << BITS)) >> block & 1, ONE, ZERO).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (_strip_height(size), size, 3))


def _wrapped(offset: _Array, period: float) -> _Array:
    """``offset`` brought to [-period/2, period/2): what leaves on one side enters on the other."""
    return (offset + period / 2) % period - period / 2


# A motion draws its start and speed from rng and gives the signed distance to the shape's edge,
# negative inside, of every pixel at every time: x, y in [0, 1), time (T, 1, 1) in frames.


def _circle_right(rng: np.random.Generator, x: _Array, y: _Array, time: _Array) -> _Array:
    radius, speed = rng.uniform(0.13, 0.19), rng.uniform(0.025, 0.045)
    dx = _wrapped(x - rng.uniform() - speed * time, 1.0)
    return np.hypot(dx, y - rng.uniform(0.25, 0.65)) - radius


def _square_down(rng: np.random.Generator, x: _Array, y: _Array, time: _Array) -> _Array:
    half, speed = rng.uniform(0.11, 0.17), rng.uniform(0.025, 0.045)
    dy = _wrapped(y - rng.uniform() - speed * time, 1.0)
    return np.maximum(np.abs(x - rng.uniform(0.2, 0.8)), np.abs(dy)) - half


def _bar_rotating(rng: np.random.Generator, x: _Array, y: _Array, time: _Array) -> _Array:
    angle = rng.uniform(0, np.pi) + rng.uniform(0.10, 0.18) * time
    dx, dy = x - rng.uniform(0.4, 0.6), y - rng.uniform(0.38, 0.52)
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    return np.maximum(np.abs(along) - 0.34, np.abs(across) - rng.uniform(0.05, 0.08))


def _ring_growing(rng: np.random.Generator, x: _Array, y: _Array, time: _Array) -> _Array:
    phase = (rng.uniform() + rng.uniform(0.035, 0.06) * time) % 1.0
    centre = np.hypot(x - rng.uniform(0.35, 0.65), y - rng.uniform(0.35, 0.55))
    return np.abs(centre - 0.05 - 0.35 * phase) - rng.uniform(0.035, 0.055)


MOTIONS: dict[str, Callable[[np.random.Generator, _Array, _Array, _Array], _Array]] = {
    "bar_rotating": _bar_rotating,
    "circle_right": _circle_right,
    "ring_growing": _ring_growing,
    "square_down": _square_down,
}
