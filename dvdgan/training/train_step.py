"""One round of training: train.discriminator_steps updates of D, one of G (paper 2.2, A.3)."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dvdgan.models.generator import GeneratorInputs
from dvdgan.models.views import Views
from dvdgan.training.descent import OptimizerStep
from dvdgan.training.ema import decay_at, update_average
from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.state import TrainState
from dvdgan.training.step import Loss, StepMetrics, discriminator_loss, frozen, generator_loss

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model, Train

Clips = Iterator[tuple[Tensor, Tensor]]


@dataclass
class TrainStep:
    """What every round needs besides real clips. generator, discriminators: state's own networks
    as the runtime wrapped them."""

    clip: "Clip"
    model: "Model"
    train: "Train"
    state: TrainState
    generator: nn.Module
    discriminators: nn.Module
    draws: SamplingRNG

    def __post_init__(self) -> None:
        state = self.state
        precision, device = self.train.precision, self.draws.device
        self._rows = self.draws.rows(self.train.accumulation)
        self._discriminators = OptimizerStep(
            self.discriminators,
            dict(state.discriminators.named_children()),
            (state.generator,),
            state.discriminator_optimizer,
            state.discriminator_scaler,
            precision,
            device,
        )
        self._generator = OptimizerStep(
            self.generator,
            {"generator": state.generator},
            (state.discriminators,),
            state.generator_optimizer,
            state.generator_scaler,
            precision,
            device,
        )

    def run(self, clips: Clips) -> tuple[StepMetrics, float]:
        """Advance the state by one step. ``clips``: this process's rows of real batches, uint8.

        Returns scalar figures and the seconds spent waiting for clips.
        """
        step = self.state.step + 1
        waited = 0.0
        told: list[StepMetrics] = []
        given = None
        for turn in range(self.train.discriminator_steps):
            began = time.perf_counter()
            pixels, labels = next(clips)
            waited += time.perf_counter() - began
            real = (to_model_range(pixels.to(self.draws.device)), labels.to(self.draws.device))
            # Prediction continues the clips D sees beside it, G's update those of the last turn.
            if self.model.conditioning_frames:
                given = real[0][:, : self.model.conditioning_frames]
            told.append(self._update_discriminators(step, f"discriminator {turn}", real, given))
        told.append(self._update_generator(step, given))
        decay = decay_at(step, self.train.ema_decay, self.train.ema_start)
        update_average(self.state.average, self.state.generator, decay)
        self.state.step = step
        return _together(told), waited

    def _update_discriminators(
        self, step: int, phase: str, real: tuple[Tensor, Tensor], given: Tensor | None
    ) -> StepMetrics:
        inputs = self._inputs(step, phase, given)
        views = [self._views(step, f"{phase} {which}") for which in ("real", "fake")]

        def loss_of(part: int) -> Loss:
            rows = self._rows[part]
            latents = inputs.rows(rows)
            with torch.no_grad():
                fake = (self.state.generator(*latents), latents.labels)
            seen = Views.join(*(of_clips.rows(rows) for of_clips in views))
            return discriminator_loss(
                self.discriminators, (real[0][rows], real[1][rows]), fake, seen
            )

        return self._discriminators.step(self.train.accumulation, loss_of)

    def _update_generator(self, step: int, given: Tensor | None) -> StepMetrics:
        inputs = self._inputs(step, "generator", given)
        views = self._views(step, "generator")

        def loss_of(part: int) -> Loss:
            rows = self._rows[part]
            return generator_loss(
                self.generator, self.state.discriminators, inputs.rows(rows), views.rows(rows)
            )

        with frozen(self.state.discriminators):
            return self._generator.step(self.train.accumulation, loss_of)

    def _inputs(self, step: int, phase: str, given: Tensor | None) -> GeneratorInputs:
        latents, labels = self.draws.latents_and_labels(step, phase, self.model.latent_dim)
        return GeneratorInputs(latents, labels, given)

    def _views(self, step: int, phase: str) -> Views:
        return self.draws.views(step, phase, self.clip.frames, self.model.spatial_frames)


def to_model_range(clips: Tensor) -> Tensor:
    """uint8 0..255 -> float in [-1, 1]."""
    return clips.float() / 127.5 - 1


def _together(told: list[StepMetrics]) -> StepMetrics:
    """The last word on each figure; gradients that are not finite are counted over all updates."""
    broken = torch.stack([figures["non_finite_gradients"] for figures in told]).sum()
    merged: StepMetrics = {}
    for figures in told:
        merged |= figures
    return merged | {"non_finite_gradients": broken}
