"""Everything a run carries from step to step."""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from dvdgan.models.build import build_discriminators, build_generator, initial_generator
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator
from dvdgan.models.meta import empty_network

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model, Train

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass
class TrainState:
    """Networks, optimisers, loss scales, the average of G, and how many steps are finished."""

    generator: Generator
    discriminators: Discriminators
    average: Generator
    generator_optimizer: torch.optim.Adam
    discriminator_optimizer: torch.optim.Adam
    generator_scaler: torch.amp.GradScaler
    discriminator_scaler: torch.amp.GradScaler
    step: int = 0


def initial_state(
    clip: "Clip",
    model: "Model",
    train: "Train",
    classes: int,
    device: torch.device,
    restart: int = 0,
) -> TrainState:
    """The state before step 1, a pure function of params (train.seed) and the ``restart`` index."""
    generator = initial_generator(model, clip, classes, train.seed, restart).to(device)
    discriminators = build_discriminators(model, clip, classes).to(device)
    return _optimised(train, generator, discriminators, device)


def blank_state(
    clip: "Clip", model: "Model", train: "Train", classes: int, device: torch.device
) -> TrainState:
    """A state of the same form without its numbers, which are loaded from a checkpoint."""
    generator = empty_network(lambda: build_generator(model, clip, classes), device)
    discriminators = empty_network(lambda: build_discriminators(model, clip, classes), device)
    return _optimised(train, generator, discriminators, device)


def loss_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler:
    """The dynamic loss scale of one network; disabled except in fp16."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def _optimised(
    train: "Train", generator: Generator, discriminators: Discriminators, device: torch.device
) -> TrainState:
    average = copy.deepcopy(generator).requires_grad_(False)

    def adam(network: torch.nn.Module, learning_rate: float) -> torch.optim.Adam:
        return torch.optim.Adam(
            network.parameters(),
            lr=learning_rate,
            betas=(train.adam_beta1, train.adam_beta2),
            eps=train.adam_epsilon,
            fused=True,
        )

    return TrainState(
        generator,
        discriminators,
        average,
        adam(generator, train.generator_learning_rate),
        adam(discriminators, train.discriminator_learning_rate),
        loss_scaler(train.precision, device),
        loss_scaler(train.precision, device),
    )
