"""Faults of how a run is trained: rates, updates, norms, batches, latents."""

import dataclasses
from typing import Any

import torch
from fault import Fault
from torch import Tensor
from torch.nn.utils.parametrizations import _SpectralNorm

from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.train_step import Batches, TrainStep


def learning_rates(generator: float, discriminators: float) -> Fault:
    """Both multiplied."""

    def strike(train_step: TrainStep) -> TrainStep:
        state = train_step.state
        for optimizer, factor in (
            (state.generator_optimizer, generator),
            (state.discriminator_optimizer, discriminators),
        ):
            for group in optimizer.param_groups:
                group["lr"] *= factor
        return train_step

    return Fault(strike)


def strong_discriminators(rate: float, steps: int) -> Fault:
    """A higher learning rate and more updates for each of G's."""
    faster = learning_rates(1, rate)

    def strike(train_step: TrainStep) -> TrainStep:
        train = train_step.train.model_copy(update={"discriminator_steps": steps})
        return dataclasses.replace(faster.strike(train_step), train=train)

    return Fault(strike)


def no_spectral_norm(*networks: str, rate: float = 1) -> Fault:
    """The learned weights are used as they are."""
    faster = learning_rates(rate, rate)

    def strike(train_step: TrainStep) -> TrainStep:
        for network in networks:
            for module in getattr(train_step.state, network).modules():
                if isinstance(module, _SpectralNorm):
                    module.forward = _as_it_is  # type: ignore[method-assign]
        return faster.strike(train_step)

    return Fault(strike)


def _as_it_is(weight: Tensor) -> Tensor:
    return weight


def small_batch(size: int, rate: float = 1) -> Fault:
    faster = learning_rates(rate, rate)

    def strike(train_step: TrainStep) -> TrainStep:
        draws = dataclasses.replace(train_step.rng, batch_size=size)
        return dataclasses.replace(faster.strike(train_step), rng=draws)

    def feed(clips: Batches) -> Batches:
        for pixels, labels in clips:
            yield pixels[:size], labels[:size]

    return Fault(strike, feed)


def frozen(optimizer: str, other_rate: float = 1) -> Fault:
    """One network's updates are left out; the other's rate is multiplied."""

    def strike(train_step: TrainStep) -> TrainStep:
        for name in ("generator_optimizer", "discriminator_optimizer"):
            other: Any = getattr(train_step.state, name)
            if name == optimizer:
                other.step = _no_step
            else:
                for group in other.param_groups:
                    group["lr"] *= other_rate
        return train_step

    return Fault(strike)


def _no_step(closure: None = None) -> None:
    pass


def adam_betas(first: float, second: float, rate: float = 1) -> Fault:
    faster = learning_rates(rate, rate)

    def strike(train_step: TrainStep) -> TrainStep:
        state = train_step.state
        for optimizer in (state.generator_optimizer, state.discriminator_optimizer):
            for group in optimizer.param_groups:
                group["betas"] = (first, second)
        return faster.strike(train_step)

    return Fault(strike)


class FixedLatents(SamplingRNG):
    """The same latent for every clip of every step."""

    def latents_and_labels(self, step: int, phase: str, latent_dim: int) -> tuple[Tensor, Tensor]:
        latents, labels = super().latents_and_labels(step, phase, latent_dim)
        return torch.full_like(latents, 0.5), labels


def fixed_latents() -> Fault:
    def strike(train_step: TrainStep) -> TrainStep:
        drawn = train_step.rng
        own = {field.name: getattr(drawn, field.name) for field in dataclasses.fields(drawn)}
        return dataclasses.replace(train_step, rng=FixedLatents(**own))

    return Fault(strike)
