"""The first steps of a preset's training, on made-up clips: what any change of numerics moves.

In float64, where rounding stays too small to grow: in float32 two runs that differ in the last bit
have nothing in common after six steps at these learning rates, and no tolerance would fit both.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor

from dvdgan.config import Config
from dvdgan.training import train_step as module
from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.state import TrainState, initial_state

STEPS = 20
CLASSES = 4

# Narrow networks and few clips: every operation of the preset's, in seconds.
SIZES = {
    "model": {"generator_channels": 2, "discriminator_channels": 1},
    "train": {"batch_size": 2, "ema_start": STEPS // 2},
}

Curve = dict[str, list[float]]


def narrowed(config: Config) -> Config:
    """The preset with SIZES."""
    sections = {
        name: getattr(config, name).model_copy(update=changes) for name, changes in SIZES.items()
    }
    return config.model_copy(update=sections)


@contextmanager
def float64() -> Iterator[None]:
    """One thread, and float64 wherever training takes torch's default or makes floats of clips."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "to_model_range", lambda clips: clips.double() / 127.5 - 1)
        yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)


def first_state(config: Config) -> TrainState:
    """The state before step 1."""
    return initial_state(config.clip, config.model, config.train, CLASSES, torch.device("cpu"))


def loss_curve(config: Config, state: TrainState, steps: int = STEPS) -> Curve:
    """Name -> its value at every step: the figures of the telemetry, and the norm of the averaged
    weights."""
    draws = SamplingRNG(
        config.train.seed, config.train.batch_size, torch.arange(CLASSES), torch.device("cpu")
    )
    clips = made_up_clips(config)
    train_step = module.TrainStep(
        config.clip,
        config.model,
        config.train,
        state,
        state.generator,
        state.discriminators,
        draws,
    )
    found: Curve = {}
    for _ in range(steps):
        figures, _ = train_step.run(clips)
        averaged = torch.nn.utils.get_total_norm(state.average.parameters())
        for name, value in {**figures, "average_norm": averaged}.items():
            found.setdefault(name, []).append(value.item())
    return found


def made_up_clips(config: Config) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of smooth waves that move: (B, T, 3, R, R) uint8, and their labels (B,).

    The class is the direction they move in; length, place and colour are drawn from a seed.
    """
    rng = np.random.default_rng(0)
    frames, size = config.clip.frames, config.clip.resolution
    time = np.arange(frames)[:, None, None, None] / frames
    rows, columns = np.arange(size)[:, None] / size, np.arange(size)[None, :] / size
    while True:
        labels = rng.integers(CLASSES, size=config.train.batch_size)
        clips = []
        for label in labels:
            angle = 2 * np.pi * label / CLASSES
            along = np.cos(angle) * rows + np.sin(angle) * columns
            colours = rng.uniform(0, 2 * np.pi, size=(3, 1, 1))
            waves = np.sin(2 * np.pi * (rng.uniform(1, 3) * along - time) + colours)
            clips.append(np.rint(127.5 * (1 + waves)).astype(np.uint8))
        yield torch.from_numpy(np.stack(clips)), torch.from_numpy(labels)


def as_table(curve: Curve) -> str:
    """CSV, a row a step, twelve digits."""
    rows = zip(range(1, STEPS + 1), *curve.values(), strict=False)
    lines = [",".join([str(step), *(f"{value:.12g}" for value in row)]) for step, *row in rows]
    return "\n".join([",".join(["step", *curve]), *lines]) + "\n"


def from_table(text: str) -> Curve:
    """What as_table wrote."""
    names, *rows = (line.split(",") for line in text.splitlines())
    columns = [[float(value) for value in column] for column in zip(*rows, strict=True)]
    return dict(zip(names[1:], columns[1:], strict=True))
