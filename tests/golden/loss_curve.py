"""The first steps of a preset's training, on made-up clips: what any change of numerics moves."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from dvdgan.config import Config
from dvdgan.training.draws import Draws
from dvdgan.training.loop import Job, _play_round
from dvdgan.training.state import TrainState, initial_state

STEPS = 20
BATCH = 4
CLASSES = 4

Curve = dict[str, list[float]]


def start(config: Config) -> TrainState:
    """The state before step 1."""
    return initial_state(config.clip, config.model, config.train, CLASSES, torch.device("cpu"))


def curve(config: Config, state: TrainState, steps: int = STEPS) -> Curve:
    """Every figure of every step, as the telemetry of a run has them: name -> (steps,)."""
    # The three sections are all that a round reads of its job.
    job = cast(Job, SimpleNamespace(clip=config.clip, model=config.model, train=config.train))
    draws = Draws(config.train.seed, BATCH, torch.arange(CLASSES), torch.device("cpu"))
    clips = made_up_clips(config)
    found: Curve = {}
    for _ in range(steps):
        networks: Any = (state.generator, state.discriminators)
        figures, _ = _play_round(job, state, *networks, draws, clips)
        for name, value in figures.items():
            found.setdefault(name, []).append(value.item())
    return found


def made_up_clips(config: Config) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of smooth waves that move: (B, T, 3, R, R) uint8, and their labels (B,).

    The class is the direction they move in; place, length and colour are drawn from a seed.
    """
    rng = np.random.default_rng(0)
    frames, size = config.clip.frames, config.clip.resolution
    time = np.arange(frames)[:, None, None, None]
    rows = np.arange(size)[:, None] / size
    columns = np.arange(size)[None, :] / size
    while True:
        labels = rng.integers(CLASSES, size=BATCH)
        clips = []
        for label in labels:
            angle = 2 * np.pi * label / CLASSES
            waves = rng.uniform(1, 3)
            phases = rng.uniform(0, 2 * np.pi, size=(3, 1, 1))
            along = np.cos(angle) * rows + np.sin(angle) * columns
            moved = 2 * np.pi * (waves * along - time / frames) + phases
            clips.append(np.rint(127.5 * (1 + np.sin(moved))).astype(np.uint8))
        yield torch.from_numpy(np.stack(clips)), torch.from_numpy(labels)
