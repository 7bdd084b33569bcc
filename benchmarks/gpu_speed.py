"""What each way to compute faster brings on a GPU: one command, under eight minutes.

    python benchmarks/gpu_speed.py --write gpu_speed.json

Runs on one GPU, on 16 clips of 12 x 64 x 64 with ch 128 in bf16. It measures

- the first step after the command, by parts, in a process of its own
- how long networks take to make with QR on the GPU
- the trainer's step (dvdgan.training.train_step) as it is, and with one thing changed at a time, in
  turns with it
- the share of the matmul rate of an iteration and its parts, as training_speed.py
- an update of D and of G as CUDA graphs
- two clips of 48 x 64 x 64, ch 64: in float32, bf16, compiled, as a CUDA graph

What cannot run is reported with its error. Medians. `--device cpu --channels 4 --batch 2` tries the
program on a CPU, where its times mean little.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from step_changes import Change, QrOn, changes, compiled_blocks
from torch import Tensor
from training_speed import CLASSES, Bench, K, Round, residual_networks

from dvdgan.config import load_config
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.generator import Generator, GeneratorInputs
from dvdgan.models.multiply_adds import MultiplyAdds
from dvdgan.models.spectral import bake
from dvdgan.storage.output import check_output_file, write_output
from dvdgan.training.runtime import Runtime
from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.state import initial_state
from dvdgan.training.train_step import TrainStep

PRESET = Path(__file__).resolve().parents[1] / "presets" / "table1_12x64.yaml"
# Compiling, which comes last, is given up then.
LIMIT_SECONDS = 450
FIRST_STEP = "BENCHMARK_FIRST_STEP"


def trainer(size: argparse.Namespace, device: torch.device) -> TrainStep:
    """The trainer of the paper's 12 x 64 x 64, of this width and batch."""
    config = load_config(PRESET)
    widths = {"generator_channels": size.channels, "discriminator_channels": size.channels}
    model = config.model.model_copy(update=widths)
    train = config.train.model_copy(update={"batch_size": size.batch, "precision": "bf16"})
    state = initial_state(config.clip, model, train, CLASSES, device)
    rng = SamplingRNG(0, size.batch, torch.arange(CLASSES), device)
    return TrainStep(config.clip, model, train, state, state.generator, state.discriminators, rng)


def noise(size: argparse.Namespace) -> Iterator[tuple[Tensor, Tensor]]:
    pixels = torch.randint(256, (size.batch, 12, 3, 64, 64), dtype=torch.uint8)
    if size.device == "cuda":
        pixels = pixels.pin_memory()
    while True:
        yield pixels, torch.arange(size.batch)


def first_step(size: argparse.Namespace, began: float) -> dict[str, float]:
    """Seconds from the start of the command; run in a process of its own."""
    seen = {"imports": time.time() - began}
    runtime = Runtime.start()
    step = trainer(size, runtime.device)
    seen["networks made"] = time.time() - began
    clips = noise(size)
    for name in ("first step", "second step"):
        metrics, _ = step.run(clips)
        metrics["generator_loss"].item()  # waits for the device
        seen[name] = time.time() - began
    began = time.time()
    with QrOn(runtime.device):
        trainer(size, runtime.device)
    seen["networks made again, QR on the device"] = time.time() - began
    return {name: round(seconds, 3) for name, seconds in seen.items()}


def in_new_process(size: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--device", size.device]
    command += ["--channels", str(size.channels), "--batch", str(size.batch)]
    environment = os.environ | {FIRST_STEP: str(time.time())}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


class Clock:
    """Seconds of work on a device."""

    def __init__(self, device: torch.device, repeats: int) -> None:
        self.device, self.repeats = device, repeats

    def once(self, work: Callable[[], object]) -> float:
        self._wait()
        began = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - began

    def median(self, work: Callable[[], object]) -> float:
        return statistics.median(self.once(work) for _ in range(self.repeats))

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def tried(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` measures, or why it could not run."""
    try:
        return work()
    except Exception as error:  # the other measurements go on; this one is reported
        return {"error": f"{type(error).__name__}: {error}"[:500]}


class Variants:
    """Milliseconds of a step with something changed, in turns with the unchanged step."""

    def __init__(self, size: argparse.Namespace, clock: Clock) -> None:
        self.step, self.clock, self.clips = trainer(size, clock.device), clock, noise(size)
        self._work()

    def _work(self) -> None:
        self.step.run(self.clips)

    def one_at_a_time(self) -> dict[str, Any]:
        with MultiplyAdds() as counter:
            self._work()
        found: dict[str, Any] = {"multiply_adds": counter.count}
        for name, change in changes(self.step).items():
            found[name] = tried(lambda change=change: self.changed(change))  # type: ignore[misc]
            print(f"  {name}: {found[name]}", flush=True)
        return found

    def compiled(self) -> dict[str, float]:
        return self.changed(lambda: compiled_blocks(self.step))

    def changed(self, change: Change) -> dict[str, float]:
        clock, work = self.clock, self._work
        with change():
            first = clock.once(work)
            clock.once(work)
        plain, other = [], []
        for _ in range(clock.repeats):
            plain.append(clock.once(work))
            with change():
                if clock.device.type == "cuda":
                    clock.once(work)  # a change may make torch choose its algorithms anew
                other.append(clock.once(work))
        before, after = statistics.median(plain), statistics.median(other)
        return {
            "unchanged_ms": round(1e3 * before, 2),
            "ms": round(1e3 * after, 2),
            "ratio": round(after / before, 3),
            "first_ms": round(1e3 * first, 1),
        }


def graphed(work: Callable[[], object]) -> Callable[[], None]:
    """``work`` captured as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def updates(size: argparse.Namespace, bench: Bench, clock: Clock) -> dict[str, Any]:
    """The parts of an iteration against a matmul, and both updates as CUDA graphs."""
    parts = {"large matmul": bench.matmul()}
    work = Round.make(size, bench.device)
    parts |= residual_networks(bench, work, size)
    parts |= {
        "one update of D": bench.measure(work.update_discriminators),
        "one update of G": bench.measure(work.update_generator),
        "iteration": bench.measure(work.iterate),
    }
    fastest = parts["large matmul"].rate
    found: dict[str, Any] = {
        name: {"ms": round(1e3 * part.seconds, 2), "share_of_matmul": round(part.rate / fastest, 3)}
        for name, part in parts.items()
    }
    for optimizer in work.optimizers:
        for group in optimizer.param_groups:
            group["capturable"] = True

    def replayed(update: Callable[[], object]) -> dict[str, float]:
        with bench.autocast():
            replay = graphed(update)
        return {"ms": round(1e3 * clock.median(replay), 2)}

    if bench.device.type == "cuda":
        found["D, CUDA graph"] = tried(lambda: replayed(work.update_discriminators))
        found["G, CUDA graph"] = tried(lambda: replayed(work.update_generator))
    return found


def sampling(size: argparse.Namespace, device: torch.device, clock: Clock) -> dict[str, Any]:
    """Milliseconds of two clips of 48 x 64 x 64 (paper A.3: 150 ms); how far bf16 moves them."""
    channels = max(size.channels // 2, 1)
    generator = Generator(GeneratorArchitecture(CLASSES, 64, 48, channels)).eval()
    bake(generator)
    generator = generator.to(device).requires_grad_(False)
    inputs = GeneratorInputs(torch.randn(2, 120), torch.arange(2)).to(device)
    expected = generator(*inputs)

    def measured(
        precision: AbstractContextManager[Any], prepare: Callable[[Any], Any]
    ) -> dict[str, float]:
        with torch.inference_mode(), precision:
            work = prepare(lambda: generator(*inputs))
            seconds = [clock.once(work) for _ in range(2)]
            video = generator(*inputs).float()
            return {
                "ms": round(1e3 * clock.median(work), 2),
                "first_ms": round(1e3 * seconds[0], 1),
                "mean_difference": round((video - expected).abs().mean().item(), 6),
            }

    def half() -> AbstractContextManager[Any]:
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)

    found = {
        "float32": tried(lambda: measured(nullcontext(), lambda work: work)),
        "bf16": tried(lambda: measured(half(), lambda work: work)),
    }
    if device.type == "cuda":
        found["float32, CUDA graph"] = tried(lambda: measured(nullcontext(), graphed))
        found["bf16, CUDA graph"] = tried(lambda: measured(half(), graphed))

        def compiled(work: Callable[[], object]) -> Callable[[], object]:
            generator.compile(dynamic=False)
            return work

        found["bf16, compiled"] = tried(lambda: measured(half(), compiled))
        found["bf16, compiled, CUDA graph"] = tried(lambda: measured(half(), graphed))
    return found


def out_of_time(*_: object) -> None:
    raise TimeoutError(f"not finished after {LIMIT_SECONDS} s in all")


def main() -> None:
    """Measure, print, and write the result as JSON if requested."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--channels", type=int, default=128, help="ch of G and of D")
    parser.add_argument("--batch", type=int, default=16, help="clips of a batch")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    size = parser.parse_args()
    if size.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            "there is no GPU here; --device cpu --channels 4 --batch 2 tries it on a CPU"
        )
    if FIRST_STEP in os.environ:
        print(json.dumps(first_step(size, float(os.environ[FIRST_STEP]))))
        return
    if size.write is not None:
        check_output_file(size.write)
    began, device = time.perf_counter(), Runtime.start().device
    size.dtype, size.compile, size.resolution, size.frames = "bfloat16", False, 64, 12
    clock, bench = Clock(device, size.repeats), Bench(size)
    cuda = device.type == "cuda"
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if cuda else platform.machine(),
        "torch": torch.__version__,
        "channels": size.channels,
        "batch": size.batch,
        "spatial_frames": K,
    }
    variants = Variants(size, clock)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "first step, s": lambda: in_new_process(size),
        "trainer's step": variants.one_at_a_time,
        "iteration": lambda: updates(size, bench, clock),
        "sampling": lambda: sampling(size, device, clock),
        "trainer's step, blocks compiled": variants.compiled,
    }
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(LIMIT_SECONDS)
    for name, part in parts.items():
        print(f"{name} ({time.perf_counter() - began:.0f} s)", flush=True)
        result[name] = tried(part)
        if cuda:
            torch.cuda.empty_cache()
    signal.alarm(0)
    result["seconds"] = round(time.perf_counter() - began)
    print(json.dumps(result, indent=2))
    if size.write is not None:
        write_output(size.write, result)


if __name__ == "__main__":
    main()
