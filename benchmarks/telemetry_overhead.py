"""What telemetry costs: of every step, as a share of the step, and of sheets and singular values.

    python benchmarks/telemetry_overhead.py
    python benchmarks/telemetry_overhead.py --preset presets/table1_12x64.yaml --device cuda \
        --precision bf16 --batch 16

The step is that of a preset, moving_shapes if none is named, on made-up clips; the numbers of every
step are its gradient norms and counts, one exchange of them, and the lines written. A tracker works
in a thread beside training, so it is measured as the processor's time of all threads together. One
thread, medians, all in one run.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

from dvdgan.config import Config, load_config
from dvdgan.models.generator import GeneratorInputs
from dvdgan.storage.output import check_output_file, write_output
from dvdgan.training.preview import ROWS, STANDING_BATCHES, SampleSheet
from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.spectrum import largest_singular_values
from dvdgan.training.state import TrainState, initial_state
from dvdgan.training.telemetry import Telemetry
from dvdgan.training.trackers import KNOWN
from dvdgan.training.train_step import TrainStep

PRESETS = Path(__file__).resolve().parents[1] / "presets"
CLASSES = 4


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """Milliseconds of a call, until the GPU has done its part."""
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        found.append(time.perf_counter() - began)
    return 1e3 * statistics.median(found)


def begun(config: Config, device: torch.device) -> TrainState:
    """The state before step 1, but not orthogonal: that would take minutes."""
    with patch("torch.nn.init.orthogonal_", torch.nn.init.normal_):
        return initial_state(config.clip, config.model, config.train, CLASSES, device)


def noise(config: Config) -> Iterator[tuple[Tensor, Tensor]]:
    size = config.clip.resolution
    shape = (config.train.batch_size, config.clip.frames, 3, size, size)
    while True:
        pixels = torch.randint(256, shape, dtype=torch.uint8)
        yield pixels, torch.zeros(config.train.batch_size, dtype=torch.int64)


def sheet_of(config: Config) -> SampleSheet:
    """A sheet of random latents, with as many clips as in a run."""

    def inputs(count: int) -> GeneratorInputs:
        return GeneratorInputs(
            torch.randn(count, config.model.latent_dim), torch.arange(count) % CLASSES
        )

    standing = [inputs(2 * ROWS) for _ in range(STANDING_BATCHES)]
    return SampleSheet(inputs(ROWS), standing, None, 12.5)


def tracker_ms(name: str, values: dict[str, float], folder: Path, steps: int) -> float:
    """Milliseconds of the processor's time that a step costs in a tracker, its start apart."""
    tracker = KNOWN[name](folder, "benchmark", 0)
    tracker.start()
    began = time.process_time()
    for step in range(1, steps + 1):
        tracker.log(values, step)
    tracker.finish()
    return 1e3 * (time.process_time() - began) / steps


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", type=Path, default=PRESETS / "moving_shapes.yaml")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, help="clips in a step's batch; default: the preset's")
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16"), default="fp32")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    arguments = parser.parse_args()
    if arguments.write is not None:
        check_output_file(arguments.write)
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    config = load_config(arguments.preset)
    changes = {
        "batch_size": arguments.batch or config.train.batch_size,
        "precision": arguments.precision,
        "accumulation": 1,
    }
    config = config.model_copy(update={"train": config.train.model_copy(update=changes)})
    state = begun(config, device)
    labels = torch.zeros(CLASSES, dtype=torch.int64)
    draws = SamplingRNG(0, config.train.batch_size, labels, device)
    train_step = TrainStep(
        config.clip, config.model, config.train, state, state.generator, state.discriminators, draws
    )
    clips = noise(config)
    metrics_of_step, _ = train_step.run(clips)
    step = median_ms(lambda: train_step.run(clips), arguments.repeats)

    networks = [*state.discriminators.children(), *state.discriminators.children(), state.generator]
    folder = Path(tempfile.mkdtemp())

    def norms() -> None:
        for network in networks:  # two updates of D, one of G
            gradients = [p.grad for p in network.parameters() if p.grad is not None]
            found = torch.stack(torch._foreach_norm(gradients))
            torch.linalg.vector_norm(found)
            (~found.isfinite()).sum()

    with Telemetry(folder / "metrics.jsonl", folder / "timing.jsonl", 0, 10**6) as telemetry:

        def log() -> None:
            values = torch.stack([value.double() for value in metrics_of_step.values()]).tolist()
            logged = dict(zip(metrics_of_step, values, strict=True))
            telemetry.record(1, logged, config.train.batch_size, 1.0, 0.1)

        every_step = {
            "gradient norms and counts": median_ms(norms, arguments.repeats),
            "numbers and lines": median_ms(log, 10 * arguments.repeats),
        }

    metrics = {f"training/{name}": value.item() for name, value in metrics_of_step.items()}
    trackers = {
        name: tracker_ms(name, metrics, folder / name, 20 * arguments.repeats)
        for name in ("dvclive", "tensorboard")
        if find_spec(name) is not None
    }
    sheet = sheet_of(config)

    def spectra() -> None:
        largest_singular_values(state.generator)
        largest_singular_values(state.discriminators)

    result = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else platform.machine(),
        "preset": arguments.preset.stem,
        "batch": config.train.batch_size,
        "precision": arguments.precision,
        "step_ms": step,
        "every_step_ms": every_step,
        "share_of_the_step": sum(every_step.values()) / step,
        "trackers_processor_ms": trackers,
        "sheet_and_video_ms": median_ms(lambda: sheet.draw(state.average), 3),
        "singular_values_ms": median_ms(spectra, 3),
    }
    print(json.dumps(result, indent=2))
    if arguments.write is not None:
        write_output(arguments.write, result)


if __name__ == "__main__":
    main()
