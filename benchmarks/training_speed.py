"""A training iteration and sampling: videos/s, memory, the share of the matmul rate reached.

    python benchmarks/training_speed.py                     two CPU cores: 64x64x12, ch 32
    python benchmarks/training_speed.py --device cuda --dtype bfloat16 --channels 128 --batch 32

An iteration is what `dvdgan train` does: two updates of D (G without gradients, one forward of D
on [real; fake], backward), one of G, one of the average, with the settings of the trainer
(deterministic algorithms, fused Adam). Multiply-adds are those of the paper's layers
(models/multiply_adds.py), backward passes included, and set against what torch reaches on a large
square matmul of the same dtype, on the same device in the same run. Medians; every part alone as
well.
"""

import argparse
import platform
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator, GeneratorInputs
from dvdgan.models.multiply_adds import MultiplyAdds
from dvdgan.models.spectral import bake
from dvdgan.models.views import Views, draw_views
from dvdgan.storage.output import check_output_file, write_output
from dvdgan.training.ema import update_average
from dvdgan.training.runtime import Runtime
from dvdgan.training.train_step import discriminator_loss, frozen, generator_loss

MATMUL_SIDE = {"cpu": 2048, "cuda": 8192}
CLASSES, K, DISCRIMINATOR_STEPS = 600, 8, 2


@dataclass
class Measured:
    """One piece of work: seconds (median) and multiply-adds of one call."""

    seconds: float
    multiply_adds: int

    @property
    def rate(self) -> float:
        return self.multiply_adds / self.seconds


class Bench:
    """Where and how to measure."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.device = torch.device(arguments.device)
        self.dtype = getattr(torch, arguments.dtype)
        self.repeats = arguments.repeats
        self.compiled = arguments.compile

    def autocast(self) -> AbstractContextManager[Any]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def measure(self, work: Callable[[], object]) -> Measured:
        """The median of ``repeats`` calls, after two to warm up, of which one is counted."""
        with self.autocast():
            work()
            with MultiplyAdds() as counter:
                work()
            seconds = []
            for _ in range(self.repeats):
                self._wait()
                began = time.perf_counter()
                work()
                self._wait()
                seconds.append(time.perf_counter() - began)
        return Measured(statistics.median(seconds), counter.count)

    def matmul(self) -> Measured:
        side = MATMUL_SIDE[self.device.type]
        a, b = (torch.randn(side, side, device=self.device, dtype=self.dtype) for _ in range(2))
        return self.measure(lambda: a @ b)

    def peak_bytes(self) -> int:
        """The most memory so far: of the GPU, or of this process."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


@dataclass
class Round:
    """Networks, optimisers and inputs of one iteration."""

    generator: Generator
    discriminators: Discriminators
    average: Generator
    optimizers: tuple[torch.optim.Adam, torch.optim.Adam]
    inputs: GeneratorInputs
    real: Tensor
    views: Views

    @classmethod
    def make(cls, size: argparse.Namespace, device: torch.device) -> "Round":
        shape = (CLASSES, size.resolution, size.frames, size.channels)
        generator, average = (Generator(GeneratorArchitecture(*shape)).to(device) for _ in "ab")
        architecture = DiscriminatorArchitecture(CLASSES, size.resolution, size.channels)
        discriminators = Discriminators(architecture).to(device)
        clip = (size.batch, size.frames, 3, size.resolution, size.resolution)
        return cls(
            generator,
            discriminators,
            average.requires_grad_(False),
            (
                torch.optim.Adam(generator.parameters(), 1e-4, betas=(0.0, 0.999), fused=True),
                torch.optim.Adam(discriminators.parameters(), 2e-4, betas=(0.0, 0.999), fused=True),
            ),
            GeneratorInputs(torch.randn(size.batch, 120), torch.arange(size.batch)).to(device),
            (torch.rand(clip) * 2 - 1).to(device),
            draw_views(2 * size.batch, size.frames, K, torch.Generator()).to(device),
        )

    def compile(self) -> None:
        self.generator.compile()
        self.discriminators.compile()

    def update_discriminators(self) -> None:
        with torch.no_grad():
            fake = self.generator(*self.inputs)
        labels = self.inputs.labels
        loss, _ = discriminator_loss(
            self.discriminators, (self.real, labels), (fake, labels), self.views
        )
        self._descend(self.optimizers[1], loss)

    def update_generator(self) -> None:
        views = self.views.rows(slice(len(self.real)))
        with frozen(self.discriminators):
            loss, _ = generator_loss(self.generator, self.discriminators, self.inputs, views)
            self._descend(self.optimizers[0], loss)

    def _descend(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def iterate(self) -> None:
        for _ in range(DISCRIMINATOR_STEPS):
            self.update_discriminators()
        self.update_generator()
        update_average(self.average, self.generator, 0.9999)


class ResidualNetwork(nn.Module):
    """G's stages without what stands before and behind them."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.stages = generator.stages

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x, condition, None)
        return x


def residual_networks(bench: Bench, work: Round, size: argparse.Namespace) -> dict[str, Measured]:
    """Forward and backward of the residual networks alone."""
    x = torch.randn(size.batch, size.frames, 8 * size.channels, 4, 4, device=bench.device)
    condition = torch.randn(size.batch, 240, device=bench.device)
    network = ResidualNetwork(work.generator)
    spatial, temporal = work.discriminators.spatial, work.discriminators.temporal
    assert spatial is not None and temporal is not None
    frames = work.real[:, :K].flatten(0, 1)
    small = work.discriminators.phi(work.real, work.views.corners).movedim(2, 1)
    in_3d = temporal.stages_3d
    return {
        "G's residual network": bench.measure(
            lambda: network(x.requires_grad_(), condition).sum().backward()
        ),
        "D_S's residual network": bench.measure(lambda: spatial.tower(frames)[-1].sum().backward()),
        "D_T's residual network, 3-D": bench.measure(lambda: in_3d(small).sum().backward()),
        "D_T whole": bench.measure(
            lambda: temporal(small.movedim(1, 2), work.inputs.labels).sum().backward()
        ),
    }


def sampling(bench: Bench, clips: int, frames: int, channels: int) -> Measured:
    """Two clips of 64 x 64 x 48 in eval mode, spectral norm baked in (paper A.3: 150 ms)."""
    generator = Generator(GeneratorArchitecture(CLASSES, 64, frames, channels)).eval()
    bake(generator)
    generator = generator.to(bench.device).requires_grad_(False)
    inputs = GeneratorInputs(torch.randn(clips, 120), torch.arange(clips)).to(bench.device)
    if bench.compiled:
        generator.compile(mode="reduce-overhead")
    with torch.inference_mode():
        return bench.measure(lambda: generator(*inputs))


def main() -> None:
    """Measure, print a table, and write it as JSON if requested."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--channels", type=int, default=32, help="ch of G and of D")
    parser.add_argument("--sampling-channels", type=int, default=64, help="ch of the 48-frame G")
    parser.add_argument("--batch", type=int, default=2, help="videos in an iteration")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="torch.compile G and D")
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    size = parser.parse_args()
    if size.write is not None:
        check_output_file(size.write)
    Runtime.start()
    torch.manual_seed(0)
    bench = Bench(size)
    parts = {"large matmul": bench.matmul()}
    work = Round.make(size, bench.device)
    parts |= residual_networks(bench, work, size)
    if size.compile:
        work.compile()
    parts |= {
        "one update of D": bench.measure(work.update_discriminators),
        "one update of G": bench.measure(work.update_generator),
        "iteration (2 D, 1 G, average)": bench.measure(work.iterate),
    }
    training_peak = bench.peak_bytes()
    parts["sampling two clips of 64x64x48"] = sampling(bench, 2, 48, size.sampling_channels)
    parts["large matmul, again"] = bench.matmul()
    result = _result(size, bench, parts, training_peak)
    print(_table(result))
    if size.write is not None:
        write_output(size.write, result)


def _result(
    size: argparse.Namespace, bench: Bench, parts: dict[str, Measured], peak: int
) -> dict[str, Any]:
    """What was measured and on what, ready for JSON."""
    fastest = max(parts[name].rate for name in ("large matmul", "large matmul, again"))
    cuda = bench.device.type == "cuda"
    rows = {
        name: {
            "milliseconds": round(1000 * part.seconds, 2),
            "multiply_adds": part.multiply_adds,
            "giga_multiply_adds_per_second": round(part.rate / 1e9, 1),
            "share_of_matmul": round(part.rate / fastest, 3),
        }
        for name, part in parts.items()
    }
    iteration = parts["iteration (2 D, 1 G, average)"]
    return {
        "machine": torch.cuda.get_device_name() if cuda else platform.processor() or "CPU",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "settings": {key: value for key, value in vars(size).items() if key != "write"},
        "videos_per_second": round(size.batch / iteration.seconds, 2),
        "peak_training_memory_bytes": peak,
        "parts": rows,
    }


def _table(result: dict[str, Any]) -> str:
    lines = [f"{'':32}{'ms':>10}{'GMAC':>10}{'GMAC/s':>10}{'of matmul':>11}"]
    for name, row in result["parts"].items():
        lines.append(
            f"{name:32}{row['milliseconds']:>10.1f}{row['multiply_adds'] / 1e9:>10.2f}"
            f"{row['giga_multiply_adds_per_second']:>10.1f}{row['share_of_matmul']:>11.0%}"
        )
    lines.append(
        f"{result['videos_per_second']} videos/s in training, at most "
        f"{result['peak_training_memory_bytes'] / 2**30:.2f} GiB"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
