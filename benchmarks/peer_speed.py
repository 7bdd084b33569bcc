"""One update of D and one of G: dvdgan and the public PyTorch code of DVD-GAN, in turns.

    git clone https://github.com/Harrypotterrrr/DVD-GAN PEER
    python benchmarks/peer_speed.py --peer PEER
    PYTHONPATH=OTHER python benchmarks/peer_speed.py        OTHER: another checkout of dvdgan, alone

Each code runs the step of its own trainer on the same random clips of 12 x 64 x 64, on one thread
of a CPU, with equal ch, k, batch and classes. They take turns in one process; medians of the CPU
time of the process and of the clock. torch counts the multiply-adds of one further step.

dvdgan: `TrainStep` with train.discriminator_steps = 1, with Adam, the average of G and
deterministic algorithms, as in `dvdgan train`. The peer: `Trainer.train` with hinge losses; it has
no average, and torch's default algorithms. Its G has three recurrent layers at each of four
resolutions, and runs once for both updates, where dvdgan draws other clips for the update of G.

The peer's code is only changed while it runs: `cuda()` leaves networks on the CPU, and packages for
pictures and logs, which the step does not call, may be missing.
"""

import argparse
import contextlib
import importlib
import io
import itertools
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import dvdgan
from dvdgan.config import load_config
from dvdgan.storage.output import check_output_file, write_output
from dvdgan.training.runtime import Runtime
from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.state import initial_state
from dvdgan.training.train_step import TrainStep, to_model_range

PRESET = Path(__file__).resolve().parents[1] / "presets" / "table1_12x64.yaml"
PEER_FILES = ("trainer.py", "parameter.py", "utils.py", "Module/Generator.py")
UNUSED_BY_THE_STEP = {
    "tensorboardX": ("SummaryWriter",),
    "torchvision": (),
    "torchvision.utils": ("save_image", "make_grid"),
}
FRAMES, RESOLUTION, CLASSES = 12, 64, 101


@dataclass
class Contestant:
    """One code: its step, its networks by name, and what its steps took.

    deterministic: whether its trainer sets torch.use_deterministic_algorithms.
    """

    step: Callable[[], object]
    networks: Mapping[str, Iterable[nn.Module]]
    deterministic: bool
    cpu_seconds: list[float] = field(default_factory=list)
    wall_seconds: list[float] = field(default_factory=list)
    multiply_adds: int = 0

    def run(self) -> None:
        """One step in the condition of its own trainer."""
        torch.use_deterministic_algorithms(self.deterministic, warn_only=True)
        self.step()

    def count(self) -> None:
        with FlopCounterMode(display=False) as counter:
            self.run()
        self.multiply_adds = counter.get_total_flops() // 2

    def time(self) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self.run()
        self.cpu_seconds.append(time.process_time() - cpu)
        self.wall_seconds.append(time.perf_counter() - wall)

    def result(self) -> dict[str, Any]:
        cpu = statistics.median(self.cpu_seconds)
        return {
            "cpu_seconds": round(cpu, 4),
            "cpu_seconds_from_to": [round(each(self.cpu_seconds), 4) for each in (min, max)],
            "wall_seconds": round(statistics.median(self.wall_seconds), 4),
            "multiply_adds": self.multiply_adds,
            "giga_multiply_adds_per_cpu_second": round(self.multiply_adds / cpu / 1e9, 1),
            "parameters": {name: trained(of) for name, of in self.networks.items()},
        }


def trained(networks: Iterable[nn.Module]) -> int:
    """How many numbers the optimisers change."""
    parameters = (p for network in networks for p in network.parameters())
    return sum(p.numel() for p in parameters if p.requires_grad)


def dvdgan_contestant(size: argparse.Namespace, pixels: Tensor, labels: Tensor) -> Contestant:
    """pixels: (B, T, 3, H, W) uint8; labels: (B,)."""
    config = load_config(PRESET)
    clip = config.clip.model_copy(update={"frames": FRAMES, "resolution": RESOLUTION})
    model = config.model.model_copy(
        update={
            "generator_channels": size.channels,
            "discriminator_channels": size.channels,
            "spatial_frames": size.k,
        }
    )
    train = config.train.model_copy(
        update={"batch_size": size.batch, "discriminator_steps": 1, "precision": "fp32"}
    )
    runtime = Runtime.start()
    state = initial_state(clip, model, train, CLASSES, runtime.device)
    step = TrainStep(
        clip,
        model,
        train,
        state,
        runtime.wrap(state.generator),
        runtime.wrap(state.discriminators),
        SamplingRNG(train.seed, size.batch, torch.arange(CLASSES), runtime.device),
    )
    batches = itertools.repeat((pixels, labels))
    return Contestant(
        lambda: step.run(batches),
        {"G": [state.generator], "D": [state.discriminators]},
        deterministic=True,
    )


def peer_contestant(size: argparse.Namespace, pixels: Tensor, labels: Tensor) -> Contestant:
    """The same clips as floats in [-1, 1], (B, 3, T, H, W), as its loader makes them."""
    for name, attributes in UNUSED_BY_THE_STEP.items():
        if name not in sys.modules and not _installed(name):
            empty = ModuleType(name)
            empty.__dict__.update(dict.fromkeys(attributes))
            sys.modules[name] = empty
    sys.path.insert(0, str(size.peer))
    options = {
        "adv_loss": "hinge",
        "g_chn": size.channels,
        "ds_chn": size.channels,
        "dt_chn": size.channels,
        "n_frames": FRAMES,
        "k_sample": size.k,
        "batch_size": size.batch,
        "n_class": CLASSES,
        "d_iters": 1,
        "total_epoch": 1,
        "test_batch_size": 1,
        # An epoch is one batch; logs, pictures and files come every so many epochs.
        **dict.fromkeys(("log_epoch", "sample_epoch", "model_save_epoch"), 10**6),
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with patch.object(sys, "argv", ["main.py", *words]):
        config = importlib.import_module("parameter").get_parameters()
    config.gpus = ""  # its word for the CPU
    clips = to_model_range(pixels).transpose(1, 2).contiguous()
    with patch.object(nn.Module, "cuda", lambda network: network), _quiet():
        trainer = importlib.import_module("trainer").Trainer([(clips, labels)], config)

    def step() -> None:
        with _quiet():
            trainer.train()

    return Contestant(
        step, {"G": [trainer.G], "D": [trainer.D_s, trainer.D_t]}, deterministic=False
    )


def _installed(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _quiet() -> contextlib.redirect_stdout[io.StringIO]:
    return contextlib.redirect_stdout(io.StringIO())


def measure(contestants: dict[str, Contestant], rounds: int) -> None:
    """A step of each to warm up, one counted, then ``rounds`` timed ones in turns."""
    for contestant in contestants.values():
        contestant.run()
        contestant.count()
    for _ in range(rounds):
        for contestant in contestants.values():
            contestant.time()


def ratios(ours: dict[str, Any], peer: dict[str, Any]) -> dict[str, float]:
    """The peer's value over ours."""
    of_parameters = {
        f"parameters of {name}": peer["parameters"][name] / ours["parameters"][name]
        for name in ours["parameters"]
    }
    names = ("cpu_seconds", "wall_seconds", "multiply_adds")
    found = {name: peer[name] / ours[name] for name in names} | of_parameters
    return {name: round(value, 2) for name, value in found.items()}


def processor() -> str:
    """The model of the CPU, as Linux names it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "CPU"


def main() -> None:
    """Measure, print a table, and write it as JSON if requested."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", type=Path, help="a checkout of Harrypotterrrr/DVD-GAN")
    parser.add_argument("--channels", type=int, default=8, help="ch of G and of D")
    parser.add_argument("--k", type=int, default=8, help="frames that D_S sees")
    parser.add_argument("--batch", type=int, default=4, help="clips")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    size = parser.parse_args()
    if size.write is not None:
        check_output_file(size.write)
    if size.peer is not None:
        missing = [name for name in PEER_FILES if not (size.peer / name).is_file()]
        if missing:
            parser.error(f"{size.peer} is no checkout of DVD-GAN: {', '.join(missing)} missing")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # both codes take a GPU if they see one
    warnings.filterwarnings("ignore")  # of old calls in the peer; of what is not deterministic
    torch.set_num_threads(1)
    torch.manual_seed(0)
    clip_shape = (size.batch, FRAMES, 3, RESOLUTION, RESOLUTION)
    pixels = torch.randint(256, clip_shape, dtype=torch.uint8)
    labels = torch.randint(CLASSES, (size.batch,))
    contestants = {"dvdgan": dvdgan_contestant(size, pixels, labels)}
    if size.peer is not None:
        contestants["peer"] = peer_contestant(size, pixels, labels)
    measure(contestants, size.rounds)
    results = {name: contestant.result() for name, contestant in contestants.items()}
    print(f"dvdgan of {Path(dvdgan.__file__).parents[1]}\n{_table(results)}")
    document = {
        "machine": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "frames": FRAMES,
        "resolution": RESOLUTION,
        "classes": CLASSES,
        "settings": {name: getattr(size, name) for name in ("channels", "k", "batch", "rounds")},
        **results,
    }
    if "peer" in results:
        document["peer_over_dvdgan"] = ratios(results["dvdgan"], results["peer"])
        print(f"peer / dvdgan: {document['peer_over_dvdgan']}")
    if size.write is not None:
        write_output(size.write, document)


def _table(results: dict[str, dict[str, Any]]) -> str:
    lines = [f"{'':8}{'CPU s':>9}{'from':>9}{'to':>9}{'wall s':>9}{'GMAC':>9}{'G':>12}{'D':>12}"]
    for name, row in results.items():
        least, most = row["cpu_seconds_from_to"]
        lines.append(
            f"{name:8}{row['cpu_seconds']:>9.3f}{least:>9.3f}{most:>9.3f}"
            f"{row['wall_seconds']:>9.3f}{row['multiply_adds'] / 1e9:>9.2f}"
            f"{row['parameters']['G']:>12,}{row['parameters']['D']:>12,}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
