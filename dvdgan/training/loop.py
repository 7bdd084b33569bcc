"""The training loop, on one page."""

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
from dvdgan.guard.environment import RunEnvironment
from dvdgan.guard.run_folder import RunFolder
from dvdgan.models.latent import derive_seed
from dvdgan.storage.local import write_json
from dvdgan.training.checkpoint_manager import CheckpointManager
from dvdgan.training.preview import SampleSheet
from dvdgan.training.resume import resumed_state
from dvdgan.training.runtime import Runtime
from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.state import TrainState
from dvdgan.training.step import StepMetrics
from dvdgan.training.telemetry import Telemetry
from dvdgan.training.trackers import Trackers
from dvdgan.training.train_step import TrainStep

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model, Train


class NonFiniteError(Exception):
    """A loss is no longer a finite number; the run cannot go on from here."""


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
    environment: RunEnvironment


def train(job: Job) -> None:
    """Train from the newest whole checkpoint (or the beginning) to train.steps.

    Raises InterruptedRunError after saving when a stop was requested, and NonFiniteError when a
    loss is not finite (the run folder's failure.json then says which).
    """
    job = _steered(job)
    sheet = SampleSheet.plan(job.dataset, job.model, job.train.seed)
    checkpoints = CheckpointManager(job.run, job.train, job.fingerprint, job.runtime, sheet)
    state = _begin(job)
    draws = _draws(job)
    clips = _real_batches(job, draws.seed, state.step)
    train_step = TrainStep(
        job.clip,
        job.model,
        job.train,
        state,
        job.runtime.wrap(state.generator),
        job.runtime.wrap(state.discriminators),
        draws,
    )
    with _telemetry(job, state.step) as telemetry:
        while state.step < job.train.steps:
            began = time.perf_counter()
            figures, waited = train_step.run(clips)
            values = _shared(job.runtime, figures) | _settings(state)
            try:
                _refuse_non_finite(job, state.step, values)
            except NonFiniteError:
                checkpoints.finish_writing()
                raise
            if telemetry is not None:
                seconds = time.perf_counter() - began
                telemetry.record(state.step, values, job.train.batch_size, seconds, waited)
            if checkpoints.keep(state, telemetry) and state.step < job.train.steps:
                if job.runtime.is_main:
                    write_json(job.run.interrupted, {"step": state.step})
                raise InterruptedRunError(f"saved at step {state.step} of {job.train.steps}")


def _steered(job: Job) -> Job:
    """The job on the course the run's rollbacks have set."""
    course, train = job.run.schedule_override(), job.train
    changes = {
        "generator_learning_rate": train.generator_learning_rate * course.learning_rate_scale,
        "discriminator_learning_rate": (
            train.discriminator_learning_rate * course.learning_rate_scale
        ),
        "discriminator_steps": train.discriminator_steps + course.added_discriminator_steps,
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
        job.environment.trackers, run.root / "trackers", run.root.name, finished_steps
    )
    return Telemetry(
        run.metrics, run.timing, finished_steps, job.train.steps, run.spectra, trackers
    )


def _draws(job: Job) -> SamplingRNG:
    runtime = job.runtime
    return SamplingRNG(
        derive_seed(job.train.seed, job.run.schedule_override().restart_index),
        job.train.batch_size,
        torch.tensor(job.dataset.labels),
        runtime.device,
        runtime.rank,
        runtime.world,
    )


def _real_batches(job: Job, seed: int, finished_steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    clips = RandomClips(job.dataset, seed, job.train.augmentation, job.train.max_damaged_shards)
    share = RankShard(job.runtime.rank, job.runtime.world, job.environment.loader_workers)
    start = finished_steps * job.train.discriminator_steps
    return training_batches(clips, job.train.batch_size, start, share)


def _shared(runtime: Runtime, figures: StepMetrics) -> dict[str, float]:
    """The means of the figures over processes, in one exchange."""
    numbers = torch.stack([value.double() for value in figures.values()])
    return dict(zip(figures, runtime.mean(numbers).tolist(), strict=True))


def _settings(state: TrainState) -> dict[str, float]:
    """Learning rates, and in fp16 the loss scales."""
    told = {}
    for name in ("generator", "discriminator"):
        told[f"{name}_learning_rate"] = getattr(state, f"{name}_optimizer").param_groups[0]["lr"]
        scaler: torch.amp.GradScaler = getattr(state, f"{name}_scaler")
        if scaler.is_enabled():
            told[f"{name}_loss_scale"] = scaler.get_scale()
    return told


def _refuse_non_finite(job: Job, step: int, values: dict[str, float]) -> None:
    broken = [name for name, value in values.items() if not torch.tensor(value).isfinite()]
    if job.train.precision == "fp16":
        # Gradients too large for fp16 are expected; that update was left out.
        for name in [name for name in broken if name.endswith("_gradient_norm")]:
            del values[name]
            broken.remove(name)
    if broken:
        what = f"{', '.join(broken)} not finite at step {step}"
        if job.runtime.is_main:
            write_json(job.run.failure, {"step": step, "what": what})
        raise NonFiniteError(what)
