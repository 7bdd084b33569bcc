"""The data sets of the recorded runs: shards, a feature network and real statistics of each.

Discs that a small generator learns in a hundred steps, where `dvdgan synthetic`'s shapes take it a
thousand: a class has its colours and its direction, a video its size, speed and start.
"""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dvdgan.config import load_config, parse_config
from dvdgan.config.schema import Config
from dvdgan.stages import features, index, reference, shard
from dvdgan.storage.local import atomic_directory
from dvdgan.video.encode import encode_mp4

PRESET = Path(__file__).resolve().parents[2] / "presets" / "moving_shapes.yaml"
CLASSES, SIZE, FRAMES, FPS = 4, 32, 32, 25


@dataclass(frozen=True)
class Data:
    """Discs drawn from ``seed``; or (``folder``) real videos, in that folder below --real."""

    stride: int
    seed: int = 0
    videos_per_class: int = 0
    folder: str | None = None
    classes: tuple[str, ...] = ()
    """Those of the folder that are taken; none named: all."""


DATA = {
    "discs 1": Data(seed=1, videos_per_class=16, stride=2),
    "discs 2": Data(seed=2, videos_per_class=12, stride=3),
    "discs 3": Data(seed=3, videos_per_class=16, stride=2),
    "discs 4": Data(seed=4, videos_per_class=16, stride=2),
    "discs 5": Data(seed=5, videos_per_class=16, stride=2),
    "discs 6": Data(seed=6, videos_per_class=12, stride=3),
    "real": Data(folder="weizmann", stride=2),
    "scenes": Data(
        folder="intel_scenes",
        classes=("bottle-detection", "car-detection", "one-by-one-person-detection"),
        stride=2,
    ),
}


def disc_video(of_class: np.random.Generator, own: np.random.Generator) -> NDArray[np.uint8]:
    """(FRAMES, SIZE, SIZE, 3): a soft disc that crosses the picture and enters it again."""
    ground, colour = of_class.uniform(20, 235, (2, 3))
    angle = of_class.uniform(0, 2 * np.pi)
    radius, speed = own.uniform(0.2, 0.35), own.uniform(0.015, 0.04)
    y, x = (np.mgrid[0:SIZE, 0:SIZE] + 0.5) / SIZE
    travelled = speed * np.arange(FRAMES)[:, None, None]
    dx = x - own.uniform() - np.cos(angle) * travelled
    dy = y - own.uniform() - np.sin(angle) * travelled
    distance = np.hypot((dx + 0.5) % 1 - 0.5, (dy + 0.5) % 1 - 0.5)
    inside = np.clip((radius - distance) * 4 + 0.5, 0, 1)[..., None]
    picture = (ground + inside * (colour - ground)) * own.uniform(0.85, 1)
    return np.rint(picture).astype(np.uint8)


def write_discs(root: Path, data: Data) -> None:
    """Write root/<class>/<nnn>.mp4."""
    with atomic_directory(root) as aside:
        for label in range(CLASSES):
            for number in range(data.videos_per_class):
                of_class = np.random.default_rng([data.seed, label])
                own = np.random.default_rng([data.seed, label, number])
                path = aside / f"class-{label}" / f"{number:03d}.mp4"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(encode_mp4(disc_video(of_class, own), FPS))


def config_of(name: str, folder: Path, real: Path | None) -> Config:
    """The params of moving_shapes, small, for a data set in ``folder``."""
    data = DATA[name]
    params = load_config(PRESET).model_dump()
    params["clip"] |= {"frames": 4, "stride": data.stride}
    params["index"]["root"] = str(folder / "videos")
    params["features"] |= {"width": 6, "steps": 200, "batch_size": 8}
    params["reference"]["clips_per_video"] = 3
    if data.folder is not None:
        assert real is not None, f"{name} needs --real"
        root = real / data.folder
        if not data.classes:
            params["index"]["root"] = str(root)
        if (root / "index.csv").is_file():
            params["index"] |= {"groups": str(root / "index.csv"), "group_column": "subject"}
    return parse_config(params)


def prepared(name: str, root: Path, real: Path | None) -> Config:
    """The data set's config, its artefacts being below ``root``/<name>; made where missing."""
    folder = root / name.replace(" ", "-")
    config = config_of(name, folder, real)
    done = folder / "done"
    if done.exists():
        return config
    data, videos = DATA[name], folder / "videos"
    if data.folder is None and not videos.exists():
        write_discs(videos, data)
    for each in data.classes:
        assert real is not None and data.folder is not None
        shutil.copytree(real / data.folder / each, videos / each, dirs_exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):
        index.run(config, workers=1)
        shard.run(config, workers=1)
        features.run(config)
        reference.run(config)
    done.touch()
    return config
