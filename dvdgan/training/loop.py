"""The training loop, on one page."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader import Share, training_batches
from dvdgan.data.random_clips import RandomClips
from dvdgan.errors import InterruptedRunError
from dvdgan.guard.run_folder import RunFolder, newest_whole, step_name
from dvdgan.models.generator import GeneratorInputs
from dvdgan.models.latent import mixed_seed
from dvdgan.models.views import Views
from dvdgan.storage.local import write_json
from dvdgan.training.checkpoint import load_checkpoint, save_checkpoint
from dvdgan.training.draws import Draws
from dvdgan.training.ema import decay_at, update_average
from dvdgan.training.preview import SampleSheet
from dvdgan.training.runtime import Runtime
from dvdgan.training.state import TrainState, initial_state
from dvdgan.training.step import Figures, discriminator_update, generator_update
from dvdgan.training.stopping import StopRequest
from dvdgan.training.telemetry import Telemetry

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
    loader_workers: int


def train(job: Job) -> None:
    """Train from the newest whole checkpoint (or the beginning) to train.steps.

    Raises InterruptedRunError after saving when a stop was requested, and NonFiniteError when a
    loss is not finite (the run folder's failure.json then says which).
    """
    state = _restore(job)
    draws = _draws(job)
    clips = _real_batches(job, draws.seed, state.step)
    discriminators = job.runtime.wrap(state.discriminators)
    generator = job.runtime.wrap(state.generator)
    sheet = (
        SampleSheet.plan(job.dataset, job.model, job.train.seed) if job.runtime.is_main else None
    )
    stop = StopRequest()
    with _telemetry(job, state.step) as telemetry:
        while state.step < job.train.steps:
            began = time.perf_counter()
            figures, waited = play_round(job, state, generator, discriminators, draws, clips)
            values = {name: job.runtime.mean(value).item() for name, value in figures.items()}
            _refuse_non_finite(job, state.step, values)
            if telemetry is not None:
                seconds = time.perf_counter() - began
                telemetry.record(state.step, values, job.train.batch_size, seconds, waited)
            stopping = job.runtime.any(stop.requested)
            _keep(job, state, sheet, stopping)
            if stopping and state.step < job.train.steps:
                raise InterruptedRunError(f"saved at step {state.step} of {job.train.steps}")


def play_round(
    job: Job,
    state: TrainState,
    generator: torch.nn.Module,
    discriminators: torch.nn.Module,
    draws: Draws,
    clips: Iterator[tuple[Tensor, Tensor]],
) -> tuple[Figures, float]:
    """train.discriminator_steps updates of D, one of G, one of the average (paper A.3)."""
    train, frames, k = job.train, job.clip.frames, job.model.spatial_frames
    latent_dim, given = job.model.latent_dim, job.model.conditioning_frames
    step = state.step + 1
    figures: Figures = {}
    waited = 0.0
    for turn in range(train.discriminator_steps):
        phase = f"discriminator {turn}"
        began = time.perf_counter()
        real_clips, real_labels = next(clips)
        waited += time.perf_counter() - began
        real = (to_model_range(real_clips.to(draws.device)), real_labels.to(draws.device))
        # Prediction continues the very clips D sees beside it, G's update those of the last turn.
        conditioning = real[0][:, :given] if given else None
        latents, labels = draws.latents_and_labels(step, phase, latent_dim)
        with torch.no_grad():
            fake = (state.generator(latents, labels, conditioning), labels)
        views = [draws.views(step, f"{phase} {which}", frames, k) for which in ("real", "fake")]
        figures |= discriminator_update(
            discriminators, state.discriminator_optimizer, real, fake, Views.join(*views)
        )
    latents, labels = draws.latents_and_labels(step, "generator", latent_dim)
    figures |= generator_update(
        generator,
        state.discriminators,
        state.generator_optimizer,
        GeneratorInputs(latents, labels, conditioning),
        draws.views(step, "generator", frames, k),
    )
    update_average(state.average, state.generator, decay_at(step, train.ema_decay, train.ema_start))
    state.step = step
    return figures, waited


def to_model_range(clips: Tensor) -> Tensor:
    """uint8 0..255 -> float in [-1, 1]."""
    return clips.float() / 127.5 - 1


def _restore(job: Job) -> TrainState:
    state = initial_state(
        job.clip, job.model, job.train, len(job.dataset.classes), job.runtime.device
    )
    step, skipped = newest_whole(job.run)
    if job.runtime.is_main:
        for line in skipped:
            print(line, flush=True)
    if step is not None:
        load_checkpoint(state, job.run.checkpoint(step))
        if job.runtime.is_main:
            print(f"train: resumed from {step_name(step)}", flush=True)
    state.generator = job.runtime.synchronise_batch_norm(state.generator)  # type: ignore[assignment]
    scale = job.run.course().learning_rate_scale
    for group in state.generator_optimizer.param_groups:
        group["lr"] = job.train.generator_learning_rate * scale
    for group in state.discriminator_optimizer.param_groups:
        group["lr"] = job.train.discriminator_learning_rate * scale
    return state


def _telemetry(job: Job, finished_steps: int) -> AbstractContextManager[Telemetry | None]:
    if not job.runtime.is_main:
        return nullcontext()
    return Telemetry(job.run.telemetry, job.run.timing, finished_steps, job.train.steps)


def _draws(job: Job) -> Draws:
    runtime = job.runtime
    return Draws(
        mixed_seed(job.train.seed, job.run.course().attempt),
        job.train.batch_size,
        torch.tensor(job.dataset.labels),
        runtime.device,
        runtime.rank,
        runtime.world,
    )


def _real_batches(job: Job, seed: int, finished_steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    train, runtime = job.train, job.runtime
    return training_batches(
        RandomClips(job.dataset, seed, train.augmentation, train.max_damaged_shards),
        train.batch_size,
        start=finished_steps * train.discriminator_steps,
        share=Share(runtime.rank, runtime.world, job.loader_workers),
    )


def _refuse_non_finite(job: Job, step: int, values: dict[str, float]) -> None:
    broken = [name for name, value in values.items() if not torch.tensor(value).isfinite()]
    if broken:
        what = f"{', '.join(broken)} not finite at step {step}"
        if job.runtime.is_main:
            write_json(job.run.failure, {"step": step, "what": what})
        raise NonFiniteError(what)


def _keep(job: Job, state: TrainState, sheet: SampleSheet | None, stopping: bool) -> None:
    """Save a checkpoint or a sample sheet when it is their turn; the other processes wait."""
    due = state.step % job.train.checkpoint_every == 0 or state.step == job.train.steps
    preview_due = state.step % job.train.preview_every == 0 or state.step == job.train.steps
    if sheet is not None and preview_due:
        sheet.write(state.average, job.run.samples / f"{step_name(state.step)}.png")
    if job.runtime.is_main and (due or stopping):
        save_checkpoint(state, job.run.checkpoint(state.step), job.fingerprint)
    if due or stopping or preview_due:
        job.runtime.wait()
