"""The training loop."""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader import RankShard, training_batches
from dvdgan.data.random_clips import RandomClips
from dvdgan.errors import InterruptedRunError
from dvdgan.guard.ledger import ScheduleOverride
from dvdgan.guard.run_folder import RunFolder
from dvdgan.machine import Machine
from dvdgan.models.latent import derive_seed
from dvdgan.storage.local import write_json
from dvdgan.training.checkpoint_manager import CheckpointManager
from dvdgan.training.preview import SampleSheet
from dvdgan.training.resume import resumed_state
from dvdgan.training.runtime import Runtime
from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.state import TrainState
from dvdgan.training.telemetry import Telemetry
from dvdgan.training.trackers import Trackers
from dvdgan.training.train_step import StepMetrics, TrainStep

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model, Train


class NonFiniteError(Exception):
    """A metric of the train step is not finite; training cannot continue."""


@dataclass
class Job:
    """One trainer process: what to train, on which clips, in which run folder."""

    run: RunFolder
    fingerprint: str
    clip: "Clip"
    model: "Model"
    train: "Train"
    dataset: ClipDataset
    runtime: Runtime
    machine: Machine


def train(job: Job) -> None:
    """Train from the latest valid checkpoint (or the beginning) to train.steps.

    Raises InterruptedRunError after saving when a stop was requested, and NonFiniteError when a
    loss is not finite (the run folder's failure.json then says which).
    """
    override = job.runtime.from_main(job.run.schedule_override)
    job = _with_schedule_override(job, override)
    sheet = SampleSheet.plan(job.dataset, job.model, job.train.seed)
    checkpoints = CheckpointManager(job.run, job.train, job.fingerprint, job.runtime, sheet)
    state = _begin(job)
    rng = _sampling_rng(job, override.restart_index)
    clips = _real_batches(job, rng.seed, state.step)
    train_step = TrainStep(
        job.clip,
        job.model,
        job.train,
        state,
        job.runtime.wrap(state.generator),
        job.runtime.wrap(state.discriminators),
        rng,
    )
    with _telemetry(job, state.step) as telemetry:
        while state.step < job.train.steps:
            began = time.perf_counter()
            metrics, waited = train_step.run(clips)
            values = _mean_over_processes(job.runtime, metrics) | _settings(state)
            try:
                _refuse_non_finite(job, state.step, values)
            except NonFiniteError:
                checkpoints.finish_writing()
                raise
            if telemetry is not None:
                seconds = time.perf_counter() - began
                telemetry.record(state.step, values, job.train.batch_size, seconds, waited)
            if checkpoints.after_step(state, telemetry) and state.step < job.train.steps:
                if job.runtime.is_main:
                    write_json(job.run.interrupted, {"step": state.step})
                raise InterruptedRunError(f"saved at step {state.step} of {job.train.steps}")


def _with_schedule_override(job: Job, override: ScheduleOverride) -> Job:
    """The job with the schedule override that the run's rollbacks have set."""
    train = job.train
    changes = {
        "generator_learning_rate": train.generator_learning_rate * override.learning_rate_scale,
        "discriminator_learning_rate": (
            train.discriminator_learning_rate * override.learning_rate_scale
        ),
        "discriminator_steps": train.discriminator_steps + override.added_discriminator_steps,
    }
    return replace(job, train=train.model_copy(update=changes))


def _begin(job: Job) -> TrainState:
    state = resumed_state(
        job.run, job.clip, job.model, job.train, len(job.dataset.classes), job.runtime
    )
    state.generator = job.runtime.synchronise_batch_norm(state.generator)  # type: ignore[assignment]
    for group in state.generator_optimizer.param_groups:
        group["lr"] = job.train.generator_learning_rate
    for group in state.discriminator_optimizer.param_groups:
        group["lr"] = job.train.discriminator_learning_rate
    return state


def _telemetry(job: Job, finished_steps: int) -> AbstractContextManager[Telemetry | None]:
    if not job.runtime.is_main:
        return nullcontext()
    run = job.run
    trackers = Trackers.open(
        job.machine.trackers, run.root / "trackers", run.root.name, finished_steps
    )
    return Telemetry(
        run.metrics, run.timing, finished_steps, job.train.steps, run.spectra, trackers
    )


def _sampling_rng(job: Job, restart_index: int) -> SamplingRNG:
    runtime = job.runtime
    return SamplingRNG(
        derive_seed(job.train.seed, restart_index),
        job.train.batch_size,
        torch.tensor(job.dataset.labels),
        runtime.device,
        runtime.rank,
        runtime.world_size,
    )


def _real_batches(job: Job, seed: int, finished_steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    clips = RandomClips(job.dataset, seed, job.train.augmentation, job.train.max_damaged_shards)
    runtime = job.runtime
    shard = RankShard(runtime.rank, runtime.world_size, job.machine.launch.loader_workers)
    start = finished_steps * job.train.discriminator_steps
    return training_batches(clips, job.train.batch_size, start, shard)


def _mean_over_processes(runtime: Runtime, metrics: StepMetrics) -> dict[str, float]:
    """The mean of each metric over processes, in one collective."""
    numbers = torch.stack([value.double() for value in metrics.values()])
    return dict(zip(metrics, runtime.mean(numbers).tolist(), strict=True))


def _settings(state: TrainState) -> dict[str, float]:
    """Learning rates, and in fp16 the loss scales."""
    settings = {}
    for name in ("generator", "discriminator"):
        settings[f"{name}_learning_rate"] = getattr(state, f"{name}_optimizer").param_groups[0][
            "lr"
        ]
        scaler: torch.amp.GradScaler = getattr(state, f"{name}_scaler")
        if scaler.is_enabled():
            settings[f"{name}_loss_scale"] = scaler.get_scale()
    return settings


def _refuse_non_finite(job: Job, step: int, values: dict[str, float]) -> None:
    non_finite = [name for name, value in values.items() if not math.isfinite(value)]
    if job.train.precision == "fp16":
        # Gradients too large for fp16 are expected; that update was skipped.
        for name in [name for name in non_finite if name.endswith("_gradient_norm")]:
            del values[name]
            non_finite.remove(name)
    if non_finite:
        what = f"{', '.join(non_finite)} not finite at step {step}"
        if job.runtime.is_main:
            write_json(job.run.failure, {"step": step, "what": what})
        raise NonFiniteError(what)
