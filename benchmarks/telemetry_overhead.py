"""What telemetry costs: what is told every step, as a share of the step, and what is told at times.

    python benchmarks/telemetry_overhead.py

The step is the demo's, on made-up clips; the numbers of every step are its gradient norms and
counts, one exchange of them, and the lines written. A tracker works beside training, so that of it
the processor's time is told, of all threads together. The singular values are also taken of the
paper's 64 x 64, 12-frame networks. One thread, medians, all in one run.
"""

import argparse
import json
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
from dvdgan.training.draws import Draws
from dvdgan.training.preview import ROWS, STANDING_BATCHES, SampleSheet
from dvdgan.training.round import Round
from dvdgan.training.spectrum import largest_singular_values
from dvdgan.training.state import TrainState, initial_state
from dvdgan.training.telemetry import Telemetry
from dvdgan.training.trackers import KNOWN

PRESETS = Path(__file__).resolve().parents[1] / "presets"
CPU = torch.device("cpu")


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """Milliseconds of a call."""
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return 1e3 * statistics.median(found)


def begun(config: Config, classes: int) -> TrainState:
    """The state before step 1, but not orthogonal: that would take minutes."""
    with patch("torch.nn.init.orthogonal_", torch.nn.init.normal_):
        return initial_state(config.clip, config.model, config.train, classes, CPU)


def noise(config: Config) -> Iterator[tuple[Tensor, Tensor]]:
    size = config.clip.resolution
    shape = (config.train.batch_size, config.clip.frames, 3, size, size)
    while True:
        pixels = torch.randint(256, shape, dtype=torch.uint8)
        yield pixels, torch.zeros(config.train.batch_size, dtype=torch.int64)


def sheet_of(config: Config, classes: int) -> SampleSheet:
    """A sheet of random latents, with as many clips as in a run."""

    def inputs(count: int) -> GeneratorInputs:
        return GeneratorInputs(
            torch.randn(count, config.model.latent_dim), torch.arange(count) % classes
        )

    standing = [inputs(2 * ROWS) for _ in range(STANDING_BATCHES)]
    return SampleSheet(inputs(ROWS), standing, None, 12.5)


def tracker_ms(name: str, values: dict[str, float], folder: Path, steps: int) -> float:
    """Milliseconds of the processor's time that a step costs in a tracker, its start apart."""
    tracker = KNOWN[name][0](folder, "benchmark", 0)
    began = time.process_time()
    for step in range(1, steps + 1):
        tracker.scalars(step, values)
    tracker.close()
    return 1e3 * (time.process_time() - began) / steps


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="leave the paper's networks out")
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    demo = load_config(PRESETS / "demo.yaml")
    state = begun(demo, 4)
    draws = Draws(0, demo.train.batch_size, torch.zeros(4, dtype=torch.int64), CPU)
    one_round = Round(
        demo.clip, demo.model, demo.train, state, state.generator, state.discriminators, draws
    )
    clips = noise(demo)
    figures, _ = one_round.play(clips)
    step = median_ms(lambda: one_round.play(clips), arguments.repeats)

    networks = [*state.discriminators.children(), *state.discriminators.children(), state.generator]
    folder = Path(tempfile.mkdtemp())

    def norms() -> None:
        for network in networks:  # two updates of D, one of G
            gradients = [p.grad for p in network.parameters() if p.grad is not None]
            found = torch.stack(torch._foreach_norm(gradients))
            torch.linalg.vector_norm(found)
            (~found.isfinite()).sum()

    with Telemetry(folder / "metrics.jsonl", folder / "timing.jsonl", 0, 10**6) as telemetry:

        def tell() -> None:
            values = torch.stack([value.double() for value in figures.values()]).tolist()
            told = dict(zip(figures, values, strict=True))
            telemetry.record(1, told, demo.train.batch_size, 1.0, 0.1)

        every_step = {
            "gradient norms and counts": median_ms(norms, arguments.repeats),
            "numbers and lines": median_ms(tell, 10 * arguments.repeats),
        }

    told = {f"training/{name}": value.item() for name, value in figures.items()}
    trackers = {
        name: tracker_ms(name, told, folder / name, 20 * arguments.repeats)
        for name in ("dvclive", "tensorboard")
        if find_spec(name) is not None
    }
    sheet = sheet_of(demo, 4)

    def spectra(of: TrainState) -> None:
        largest_singular_values(of.generator)
        largest_singular_values(of.discriminators)

    result = {
        "step_ms": step,
        "every_step_ms": every_step,
        "share_of_the_step": sum(every_step.values()) / step,
        "trackers_processor_ms": trackers,
        "sheet_and_video_ms": median_ms(lambda: sheet.draw(state.average), 3),
        "singular_values_ms": {"demo": median_ms(lambda: spectra(state), 3)},
    }
    if not arguments.quick:
        paper = begun(load_config(PRESETS / "table1_12x64.yaml"), 600)
        result["singular_values_ms"]["table1_12x64"] = median_ms(lambda: spectra(paper), 1)
    print(json.dumps(result, indent=2))
    if arguments.write:
        arguments.write.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
