"""The picture at the top of the README: real clips beside generated ones, a row a class.

    python benchmarks/picture.py docs/demo.webp

Reads params.yaml and the artifacts of the folder it runs in; writes an animated WebP.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dvdgan.config import load_config
from dvdgan.data.dataset import open_clips
from dvdgan.data.loader import reference_clips
from dvdgan.export.sampler import Sampler
from dvdgan.stages.artefacts import MODEL, SHARDS
from dvdgan.video.grid import video_grid

COLUMNS, ENLARGED, PAD, HEADING, GAP = 4, 2, 4, 22, 18


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    path = parser.parse_args().path
    config = load_config(Path("params.yaml"))
    sampler = Sampler.load(MODEL)
    dataset = open_clips(SHARDS, "test", config.clip)
    real: dict[int, list[NDArray[np.uint8]]] = {label: [] for label in range(len(sampler.classes))}
    for clips, labels in reference_clips(dataset, 1):
        for clip, label in zip(clips.permute(0, 1, 3, 4, 2).numpy(), labels.tolist(), strict=True):
            real[label].append(clip)
    generated = [
        sampler.sample(torch.full((COLUMNS,), label), config.evaluate.seed, label * COLUMNS)
        for label in real
    ]
    halves = {
        "real": np.stack([np.stack(clips[:COLUMNS]) for clips in real.values()]),
        "generated": torch.stack(generated).permute(0, 1, 2, 4, 5, 3).numpy(),
    }
    frames = [
        with_heading(list(halves), list(pair))
        for pair in zip(*(enlarged(clips) for clips in halves.values()), strict=True)
    ]
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=[round(1000 / sampler.fps)] * (len(frames) - 1) + [400],
        loop=0,
        quality=85,
        method=6,
    )
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def enlarged(clips: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(rows, columns, T, H, W, 3) as one video, (T, H', W', 3)."""
    return video_grid(clips.repeat(ENLARGED, axis=3).repeat(ENLARGED, axis=4), pad=PAD)


def with_heading(names: list[str], halves: list[NDArray[np.uint8]]) -> Image.Image:
    """The halves side by side, their names above them."""
    height, width = halves[0].shape[:2]
    sheet = Image.new("RGB", (2 * width + GAP, height + HEADING), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for number, (name, half) in enumerate(zip(names, halves, strict=True)):
        left = number * (width + GAP)
        sheet.paste(Image.fromarray(half), (left, HEADING))
        pen.text((left + width / 2, HEADING / 2), name, "black", font, anchor="mm")
    return sheet


if __name__ == "__main__":
    main()
