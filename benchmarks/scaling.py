"""Predicted and measured train steps of 1, 2 and 3 processes that share a batch.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --preset presets/table1_12x64.yaml --batch 16 --precision bf16 \\
        --processes 1 2 4 8                                on a machine with eight GPUs

For each number of processes n, n processes start together and take turns at two things: a step in
which each trains alone on batch / n clips, and a step in which they train together on the batch.
Before, they measure what one number and what the gradients take to reduce. The prediction is the
step alone, and from these two numbers the exchange of gradients and the messages of batch norm, by
the equations of dvdgan/scaling/equations.py. Medians over turns; on CPUs each process has one
thread, and nothing overlaps, since the same cores compute and reduce.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed

from dvdgan.config import load_config
from dvdgan.scaling import equations
from dvdgan.scaling.hardware import Cluster
from dvdgan.scaling.workload import Workload, batch_norm_messages, read_workload
from dvdgan.storage.output import check_output_file, write_output
from dvdgan.training.runtime import Runtime
from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.state import initial_state
from dvdgan.training.train_step import TrainStep

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model, Train

PRESET = Path(__file__).resolve().parents[1] / "presets" / "demo.yaml"
CLASSES, WARM_UP, MESSAGES = 600, 2, 20
RANK = "BENCHMARK_RANK"


def noise(clips: int, clip: "Clip") -> Iterator[tuple[Tensor, Tensor]]:
    shape = (clips, clip.frames, 3, clip.resolution, clip.resolution)
    pixels, labels = torch.randint(256, shape, dtype=torch.uint8), torch.arange(clips) % CLASSES
    while True:
        yield pixels, labels


def trainer(
    runtime: Runtime, clip: "Clip", model: "Model", train: "Train", alone: bool
) -> TrainStep:
    """What runs steps: of this process alone, or of all processes together."""
    state = initial_state(clip, model, train, CLASSES, runtime.device)
    labels = torch.arange(CLASSES)
    if alone:
        rng = SamplingRNG(0, train.batch_size, labels, runtime.device)
        return TrainStep(clip, model, train, state, state.generator, state.discriminators, rng)
    state.generator = runtime.synchronise_batch_norm(state.generator)  # type: ignore[assignment]
    shard = runtime.rank, runtime.world_size
    rng = SamplingRNG(0, train.batch_size, labels, runtime.device, *shard)
    networks = runtime.wrap(state.generator), runtime.wrap(state.discriminators)
    return TrainStep(clip, model, train, state, *networks, rng)


def timed(runtime: Runtime, work: Callable[[], object]) -> float:
    """Seconds of the slowest process, all of which begin together."""
    if runtime.world_size > 1:
        distributed.barrier()
    began = time.perf_counter()
    work()
    if runtime.device.type == "cuda":
        torch.cuda.synchronize()
    seconds = torch.tensor(time.perf_counter() - began, device=runtime.device)
    if runtime.world_size > 1:
        distributed.all_reduce(seconds, distributed.ReduceOp.MAX)
    return seconds.item()


def message_seconds(runtime: Runtime, numbers: int) -> float:
    """The median of an all-reduce of so many numbers."""
    values = torch.ones(numbers, device=runtime.device)
    found = [timed(runtime, lambda: distributed.all_reduce(values)) for _ in range(MESSAGES)]
    return statistics.median(found)


def run_rank(arguments: argparse.Namespace) -> None:
    """One of the processes; the first one prints what was measured."""
    runtime = Runtime.start()
    config = load_config(arguments.preset)
    changes = {"batch_size": arguments.batch, "precision": arguments.precision}
    train = config.train.model_copy(update=changes)
    own = train.model_copy(update={"batch_size": arguments.batch // runtime.world_size})
    alone = trainer(runtime, config.clip, config.model, own, alone=True)
    together = trainer(runtime, config.clip, config.model, train, alone=False)
    clips = noise(own.batch_size, config.clip)
    several = runtime.world_size > 1
    size = sum(parameter.numel() for parameter in together.state.discriminators.parameters())
    messages = {
        "small": message_seconds(runtime, 1) if several else 0.0,
        "large": message_seconds(runtime, size) if several else 0.0,
    }
    turns: dict[str, list[float]] = {"alone": [], "together": []}
    for turn in range(WARM_UP + arguments.turns):
        for name, steps in (("alone", alone), ("together", together)):
            seconds = timed(runtime, lambda steps=steps: steps.run(clips))  # type: ignore[misc]
            if turn >= WARM_UP:
                turns[name].append(seconds)
    if runtime.is_main:
        print(json.dumps({"messages": messages, "large_bytes": 4 * size, "turns": turns}))
    if several:
        distributed.destroy_process_group()


def predicted_seconds(
    workload: Workload, alone: float, found: dict[str, float], processes: int, device: str
) -> dict[str, float]:
    """The terms of a step of ``processes`` processes, from what was measured apart from it."""
    if processes == 1:
        return {"alone": alone}
    latency, large = found["small"], found["large_bytes"]
    bandwidth = equations.ring_all_reduce_seconds(large, processes, 1) / max(
        found["large"] - latency, 1e-9
    )
    forward, backward = batch_norm_messages(
        workload.batch_norms, workload.discriminator_steps, workload.accumulation, device
    )
    norms = sum(
        latency + equations.ring_all_reduce_seconds(size, processes, bandwidth)
        for size in forward + backward
    )
    overlap = 0 if device == "cpu" else Cluster().overlap
    per_multiply_add = alone / workload.clip_multiply_adds

    def exchange(size: int, backward: int) -> float:
        count = equations.buckets(size)
        seconds = equations.ring_all_reduce_seconds(size, processes, bandwidth) + count * latency
        return equations.exposed_seconds(seconds, backward * per_multiply_add, overlap, count)

    gradients = workload.discriminator_steps * exchange(
        workload.discriminator_gradients, 4 * workload.cost.discriminator_multiply_adds
    )
    gradients += exchange(workload.generator_gradients, 2 * workload.cost.generator.multiply_adds)
    return {"alone": alone, "gradients": gradients, "batch norm": norms}


def measure(arguments: argparse.Namespace, processes: int) -> dict[str, object]:
    """Start the processes; what they measured, and what is predicted from it."""
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    done = subprocess.run(
        [sys.executable, "-m", *launcher, *sys.argv],
        env={"OMP_NUM_THREADS": "1"} | os.environ | {RANK: "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    alone, together = (statistics.median(found["turns"][name]) for name in ("alone", "together"))
    workload = read_workload(arguments.preset)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    numbers = found["messages"] | {"large_bytes": found["large_bytes"]}
    terms = predicted_seconds(workload, alone, numbers, processes, device)
    predicted = sum(terms.values())
    return {
        "processes": processes,
        "measured_s": together,
        "predicted_s": predicted,
        "measured_over_predicted": together / predicted,
        "terms_s": terms,
        "small_all_reduce_ms": found["messages"]["small"] * 1e3,
        "large_all_reduce_ms": found["messages"]["large"] * 1e3,
        "large_bytes": found["large_bytes"],
        "clips_per_second": arguments.batch / together,
        "turns_s": found["turns"],
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", type=Path, default=PRESET)
    parser.add_argument("--batch", type=int, default=12, help="clips of all processes")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    arguments = parser.parse_args()
    if RANK in os.environ:
        run_rank(arguments)
        return
    if arguments.write is not None:
        check_output_file(arguments.write)
    rows = [measure(arguments, processes) for processes in arguments.processes]
    cuda = torch.cuda.is_available()
    result = {
        "device": torch.cuda.get_device_name() if cuda else platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "preset": arguments.preset.stem,
        "batch": arguments.batch,
        "rows": rows,
    }
    for row in rows:
        print(
            "{processes} processes: measured {measured_s:.3f} s, predicted {predicted_s:.3f} s, "
            "ratio {measured_over_predicted:.2f}, load {load:.1f}".format(**row)
        )
    if arguments.write is not None:
        write_output(arguments.write, result)


if __name__ == "__main__":
    main()
