"""A small set of real, encoded videos of moving shapes: plain ones, or with the frame number in the
picture."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dvdgan.progress import track
from dvdgan.storage.local import atomic_directory
from dvdgan.storage.output import check_output_folder, check_stage_output
from dvdgan.video.encode import encode_mp4

_Array = NDArray[np.float64]
_Rng = np.random.Generator

FPS = 25
BITS = 8
# Grey levels of the barcode: apart enough to survive h264, JPEG and resizing, dim enough not to
# be what a network spends itself on.
ZERO, ONE = 40, 110
# Of the plain set, as shares of the width: how wide the edges of shapes are, how much larger that
# makes them, and how far a video's shape may lie from the place of its class.
SOFT, GROWN, NEAR = 0.15, 0.05, 0.1
# RGB, and how far a video's colour may lie from that of its class.
GROUND = (20, 20, 30)
SHADES = 25
COLOURS = {
    "bar_rotating": (250, 210, 60),
    "circle_right": (230, 70, 60),
    "ring_growing": (70, 200, 110),
    "square_down": (80, 130, 250),
}


def write_synthetic(
    root: Path,
    videos_per_class: int = 24,
    size: int = 64,
    frames: int = 32,
    seed: int = 0,
    plain: bool = False,
) -> bool:
    """Write root/<class>/<nnn>.mp4, h264, ``size`` x ``size``, 25 fps, one class per motion.

    ``plain``: as `draw_plain` draws them, else as `draw` does.
    Equal arguments give equal bytes. A folder of these classes is left as it is; returns whether
    the videos were written. Raises UserError if ``root`` holds anything else, or is not a folder.
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
            rng = np.random.default_rng([seed, stream, number])
            pixels = (draw_plain if plain else draw)(label, rng, size, frames)
            path = aside / label / f"{number:03d}.mp4"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(encode_mp4(pixels, FPS))
    return True


def draw(label: str, rng: _Rng, size: int, frames: int) -> NDArray[np.uint8]:
    """One video of class ``label``, (frames, size, size, 3) uint8: size, speed and colours of its
    own, and a barcode with the number of the frame below."""
    distance = _distance(label, rng, (size - _strip_height(size), size), frames)
    colour = np.roll(
        [rng.uniform(200, 255), rng.uniform(60, 255), rng.uniform(40, 90)], rng.integers(3)
    )
    picture = _painted(distance, colour, rng.uniform(5, 35, 3))
    codes = [_barcode(number, size) for number in range(frames)]
    return np.concatenate([picture, codes], axis=1)


def draw_plain(label: str, rng: _Rng, size: int, frames: int) -> NDArray[np.uint8]:
    """One video of class ``label``, (frames, size, size, 3) uint8, for small networks.

    All videos of a class show the same motion once, from beginning to end. The place and the colour
    are near those of the class.
    """
    y, x = _pixel_centres(size, size)
    right, down, more = rng.uniform(-NEAR, NEAR, 3)
    progress = np.linspace(0, 1, frames)[:, None, None]
    distance = PLAIN_MOTIONS[label](x - right, y - down, more, progress)
    colour = np.clip(COLOURS[label] + rng.uniform(-SHADES, SHADES, 3), 30, 255)
    return _painted((distance - GROWN) / SOFT, colour, GROUND)


def _distance(label: str, rng: _Rng, shape: tuple[int, int], frames: int) -> _Array:
    """From every pixel to the shape's edge, in pixels, negative inside: (frames, *shape)."""
    y, x = _pixel_centres(*shape)
    time = np.arange(frames, dtype=float)[:, None, None]
    return MOTIONS[label](rng, x, y, time) * shape[1]


def _pixel_centres(height: int, width: int) -> tuple[_Array, _Array]:
    """y and x of every pixel, (height, width) each, in widths of the frame."""
    y, x = (np.mgrid[0:height, 0:width] + 0.5) / width
    return y, x


def _painted(distance: _Array, colour: ArrayLike, ground: ArrayLike) -> NDArray[np.uint8]:
    front, back = np.asarray(colour), np.asarray(ground)
    coverage = np.clip(0.5 - distance, 0, 1)[..., None]
    painted: NDArray[np.uint8] = np.rint(back + coverage * (front - back)).astype(np.uint8)
    return painted


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


# A motion draws size, speed and place, and gives the signed distance to the shape's edge, negative
# inside, of every pixel at every time: x, y in [0, 1), time (T, 1, 1) in frames.


def _circle_right(rng: _Rng, x: _Array, y: _Array, time: _Array) -> _Array:
    radius, speed = rng.uniform(0.13, 0.19), rng.uniform(0.025, 0.045)
    dx = _wrapped(x - rng.uniform() - speed * time, 1.0)
    return np.hypot(dx, y - rng.uniform(0.25, 0.65)) - radius


def _square_down(rng: _Rng, x: _Array, y: _Array, time: _Array) -> _Array:
    half, speed = rng.uniform(0.11, 0.17), rng.uniform(0.025, 0.045)
    dy = _wrapped(y - rng.uniform() - speed * time, 1.0)
    return np.maximum(np.abs(x - rng.uniform(0.2, 0.8)), np.abs(dy)) - half


def _bar_rotating(rng: _Rng, x: _Array, y: _Array, time: _Array) -> _Array:
    angle = rng.uniform(0, np.pi) + rng.uniform(0.10, 0.18) * time
    dx, dy = x - rng.uniform(0.4, 0.6), y - rng.uniform(0.38, 0.52)
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    return np.maximum(np.abs(along) - 0.34, np.abs(across) - rng.uniform(0.05, 0.08))


def _ring_growing(rng: _Rng, x: _Array, y: _Array, time: _Array) -> _Array:
    phase = (rng.uniform() + rng.uniform(0.035, 0.06) * time) % 1.0
    centre = np.hypot(x - rng.uniform(0.35, 0.65), y - rng.uniform(0.35, 0.55))
    return np.abs(centre - 0.05 - 0.35 * phase) - rng.uniform(0.035, 0.055)


MOTIONS: dict[str, Callable[[_Rng, _Array, _Array, _Array], _Array]] = {
    "bar_rotating": _bar_rotating,
    "circle_right": _circle_right,
    "ring_growing": _ring_growing,
    "square_down": _square_down,
}


# A plain motion is given x and y less the video's own place, a number in [-NEAR, NEAR] by which
# it may differ in another way, and how far the video is, 0 to 1. Centres stay in the frame.


def _plain_circle(x: _Array, y: _Array, _: float, progress: _Array) -> _Array:
    return np.hypot(x - 0.25 - 0.52 * progress, y - 0.5) - 0.16


def _plain_square(x: _Array, y: _Array, _: float, progress: _Array) -> _Array:
    return np.maximum(np.abs(x - 0.5), np.abs(y - 0.25 - 0.52 * progress)) - 0.14


def _plain_bar(x: _Array, y: _Array, turned: float, progress: _Array) -> _Array:
    angle = 0.3 + 3 * turned + 1.8 * progress
    along = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    across = (y - 0.5) * np.cos(angle) - (x - 0.5) * np.sin(angle)
    return np.maximum(np.abs(along) - 0.34, np.abs(across) - 0.065)


def _plain_ring(x: _Array, y: _Array, larger: float, progress: _Array) -> _Array:
    radius = 0.1 + 0.25 * larger + 0.3 * progress
    return np.abs(np.hypot(x - 0.5, y - 0.5) - radius) - 0.045


PLAIN_MOTIONS: dict[str, Callable[[_Array, _Array, float, _Array], _Array]] = {
    "bar_rotating": _plain_bar,
    "circle_right": _plain_circle,
    "ring_growing": _plain_ring,
    "square_down": _plain_square,
}
