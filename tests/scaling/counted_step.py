"""What one train step exchanges; as a program, one of several processes that train together.

torch's profiler counts every collective of the process group, those of DistributedDataParallel
included, which run in C++.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.profiler import ProfilerActivity, profile

from dvdgan.config import load_config
from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.state import initial_state
from dvdgan.training.sync_batch_norm import CpuSyncBatchNorm
from dvdgan.training.train_step import TrainStep

CLASSES = 3
CPU = torch.device("cpu")
Exchanged = Counter[tuple[str, int]]


class Alone:
    """The process group of this process, wrapped as dvdgan.training.runtime.Runtime wraps it."""

    rank, world_size = 0, 1

    def synchronise_batch_norm(self, network: nn.Module) -> nn.Module:
        return CpuSyncBatchNorm.convert(network)

    def wrap(self, network: nn.Module) -> nn.Module:
        return DistributedDataParallel(network, broadcast_buffers=False)


def noise(clips: int, frames: int, side: int) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        pixels = torch.randint(256, (clips, frames, 3, side, side), dtype=torch.uint8)
        yield pixels, torch.arange(clips) % CLASSES


def count_step(params: Path, accumulation: int, runtime: Any) -> Exchanged:
    """(collective, numbers it is about) -> how often, in the third step of a run."""
    config = load_config(params)
    clip, model = config.clip, config.model
    train = config.train.model_copy(update={"accumulation": accumulation})
    state = initial_state(clip, model, train, CLASSES, CPU)
    state.generator = runtime.synchronise_batch_norm(state.generator)
    rank, processes = runtime.rank, runtime.world_size
    rng = SamplingRNG(0, train.batch_size, torch.arange(CLASSES), CPU, rank, processes)
    networks = runtime.wrap(state.generator), runtime.wrap(state.discriminators)
    step = TrainStep(clip, model, train, state, *networks, rng)
    clips = noise(train.batch_size // processes, clip.frames, clip.resolution)
    step.run(clips)
    step.run(clips)  # DistributedDataParallel orders its buckets anew, once, before its second step
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
        step.run(clips)
    # profiled.events() builds a tree of all operations first, which takes seconds.
    return Counter(
        (event.name(), sum(torch.Size(shape).numel() for shape in event.shapes()))
        for event in profiled.profiler.kineto_results.events()
        if event.name().startswith("gloo:")
    )


if __name__ == "__main__":
    from dvdgan.training.runtime import Runtime

    started = Runtime.start()
    found = count_step(Path(sys.argv[1]), int(sys.argv[2]), started)
    if started.is_main:
        print(json.dumps([[name, size, count] for (name, size), count in found.items()]))
