"""What a params file costs to train: work, memory, disk, and hours from a measured speed."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dvdgan.config import load_config, parse_config
from dvdgan.config.schema import RunSettings
from dvdgan.reporting.costs import known_classes
from dvdgan.storage.local import read_json

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model, Train
    from dvdgan.models.cost import ModelCost

SHARD_INDEX = Path("artifacts/shards/index.json")
# Steps at the beginning of a process that are slower than the others.
WARM_UP = 3
# A model whose multiply-adds differ by a larger factor has another rate.
MOST_SCALING = 10


@dataclass(frozen=True)
class Speed:
    """A measured speed of training."""

    multiply_adds_per_second: float
    """Of one device."""
    clip_multiply_adds: int
    """Of the model that was measured, as in TrainingCost."""
    device_clips: float
    """Clips of a train step on each device."""
    source: str
    """Where it was measured, in words."""
    precision: str
    run: Path | None = None
    """The folder of the run that was measured; None: a benchmark."""


@dataclass(frozen=True)
class TrainingCost:
    """What one run of `train` costs."""

    generator_parameters: int
    discriminator_parameters: int
    clip_multiply_adds: int
    """Of a train step, for each clip of its batch."""
    clips: int
    """Real clips that one run trains on, counted once an update of G."""
    memory: int
    """Bytes on each device, at most: float32, nothing recomputed."""
    checkpoint_bytes: int
    checkpoints: int
    """Kept in the run folder if each that is measured is the best so far, and none collapses."""
    precision: str

    @property
    def multiply_adds(self) -> int:
        """Of the whole run."""
        return self.clip_multiply_adds * self.clips

    def clips_per_second(self, speed: Speed, devices: int) -> float:
        """Of all devices together, at ``speed`` on each."""
        return speed.multiply_adds_per_second * devices / self.clip_multiply_adds

    def hours(self, speed: Speed, devices: int) -> float:
        """Wall-clock time of the run, without evaluations and rollbacks."""
        return self.clips / self.clips_per_second(speed, devices) / 3600


@dataclass(frozen=True)
class Work:
    """Clips that a stage works through besides those of the train steps."""

    what: str
    clips: int


def training_cost(params: Mapping[str, Any], devices: int, folder: Path) -> TrainingCost:
    """The cost of training with ``params`` (nested sections) on so many devices.

    Raises UserError for params that `dvdgan check` refuses.
    """
    config = parse_config(params)
    train = config.train
    cost = networks_cost(config.model, config.clip, number_of_classes(folder))
    return TrainingCost(
        cost.generator.parameters,
        cost.parameters - cost.generator.parameters,
        cost.train_step(train.discriminator_steps),
        train.steps * train.batch_size,
        cost.train_memory(ceil(train.batch_size / devices / train.accumulation)),
        cost.checkpoint_bytes,
        _kept_checkpoints(train),
        train.precision,
    )


def _kept_checkpoints(train: "Train") -> int:
    """Those that are measured, and the newest ones, which wait for it (guard/ledger.py)."""
    waiting = ceil(train.guard.evaluate_every / train.checkpoint_every)
    written = ceil(train.steps / train.checkpoint_every)
    return min(written, train.steps // train.guard.evaluate_every + waiting)


def other_work(params: Mapping[str, Any]) -> list[Work]:
    """Clips that are generated, measured or learned from outside of the train steps."""
    config = parse_config(params)
    guard, evaluate, features = config.train.guard, config.evaluate, config.features
    evaluations = config.train.steps // guard.evaluate_every
    return [
        Work("clips measured while training", evaluations * guard.samples),
        Work("clips measured by evaluate", evaluate.samples * (1 + len(evaluate.truncations))),
        Work("clips that train the metrics' network", features.steps * features.batch_size),
    ]


def measured_speed(folder: Path, cost: TrainingCost) -> Speed | None:
    """The speed of the last run in ``folder``/.runs/train, else of the benchmark at full size.

    None if neither trained a model of about the size of that of ``cost``.
    """
    runs = sorted((folder / ".runs/train").glob("*/timing.jsonl"), key=_time, reverse=True)
    benchmarks = sorted((folder / "benchmarks/results").glob("trainer_steps_*.json"))
    found = [
        *(speed_of_run(timing.parent, folder) for timing in runs[:1]),
        *(_of_benchmark(path, folder) for path in benchmarks),
    ]
    return next((speed for speed in found if speed is not None and _is_of_size(speed, cost)), None)


def _is_of_size(speed: Speed, cost: TrainingCost) -> bool:
    factor = cost.clip_multiply_adds / speed.clip_multiply_adds
    return 1 / MOST_SCALING <= factor <= MOST_SCALING


def speed_of_run(root: Path, folder: Path) -> Speed | None:
    """The median speed of the run in ``root``; None if it has not trained long enough.

    folder: the project, whose shards say how many classes there are.
    """
    settings, timing = root / "settings.json", root / "timing.jsonl"
    lines = timing.read_text(encoding="utf-8").splitlines()[WARM_UP:] if timing.is_file() else []
    if not lines or not settings.is_file():
        return None
    run = RunSettings.model_validate_json(settings.read_text(encoding="utf-8"))
    clips = statistics.median(json.loads(line)["clips_per_second"] for line in lines)
    conditions = _conditions(root)
    devices, device = conditions.get("processes", 1), conditions.get("device", "unknown device")
    per_clip = _of_clip(run.model, run.clip, run.train, folder)
    source = (
        f"{clips:.3g} clips/s of the last run here (`.runs/train/{root.name}`, median of "
        f"{len(lines):,} steps, {devices} x {device}, {run.train.precision})"
    )
    rate = clips / devices * per_clip
    device_clips = run.train.batch_size / devices
    return Speed(rate, per_clip, device_clips, source, run.train.precision, root)


def _conditions(run: Path) -> dict[str, Any]:
    """Processes and device of a run by its newest checkpoint; empty if it has none."""
    states = sorted(run.glob("checkpoints/step-*/state.json"))
    found: dict[str, Any] = read_json(states[-1]).get("conditions", {}) if states else {}
    return found


def _of_benchmark(path: Path, folder: Path) -> Speed | None:
    found = json.loads(path.read_text(encoding="utf-8"))
    preset = folder / "presets" / f"{found['preset']}.yaml"
    if not preset.is_file():
        return None
    config, clips = load_config(preset), found["clips_per_second"]
    per_clip = _of_clip(config.model, config.clip, config.train, folder)
    where = f"{found['preset']} in {found['precision']} on one {found['device']} ({path.name})"
    source = f"{clips:.3g} clips/s of {where}"
    return Speed(clips * per_clip, per_clip, found["batch"], source, found["precision"])


def _of_clip(model: "Model", clip: "Clip", train: "Train", folder: Path) -> int:
    return networks_cost(model, clip, number_of_classes(folder)).train_step(
        train.discriminator_steps
    )


def number_of_classes(folder: Path) -> int:
    """Of the shards in ``folder``; Kinetics-600's if there are none."""
    path = folder / SHARD_INDEX
    index = path.read_bytes() if path.is_file() else None
    return known_classes(None, index, str(SHARD_INDEX))[0]


@cache
def networks_cost(model: "Model", clip: "Clip", classes: int) -> "ModelCost":
    """The cost of the networks of params; takes seconds, once for each model."""
    from dvdgan.models import build  # torch
    from dvdgan.models.cost import model_cost

    networks = (
        build.generator_architecture(model, clip, classes),
        build.discriminator_architecture(model, clip, classes),
    )
    return model_cost(*networks, k=model.spatial_frames)


def _time(path: Path) -> float:
    return path.stat().st_mtime
