"""Faults of single numbers: of weights, of the average's weights, of gradients."""

from collections.abc import Callable

import torch
from fault import Fault
from torch import Tensor

from dvdgan.training.state import TrainState
from dvdgan.training.train_step import TrainStep

FLOAT16_MOST = 65504.0


def nan_weight(network: str) -> Fault:
    def strike(train_step: TrainStep) -> TrainStep:
        parameter = max(getattr(train_step.state, network).parameters(), key=torch.numel)
        with torch.no_grad():
            parameter.view(-1)[0] = torch.nan
        return train_step

    return Fault(strike)


def nan_gradient(optimizer: str) -> Fault:
    def spoil(gradient: Tensor) -> None:
        gradient.view(-1)[0] = torch.nan

    return Fault(_before_updates(optimizer, spoil))


def overflow(optimizer: str, scale: float) -> Fault:
    """Gradients pass through 16-bit numbers at a loss scale that nobody lowers."""

    def narrow(gradient: Tensor) -> None:
        wide = gradient * scale
        gradient.copy_(wide.where(wide.abs() <= FLOAT16_MOST, torch.inf * wide.sign()) / scale)

    return Fault(_before_updates(optimizer, narrow))


def _before_updates(
    optimizer: str, change: Callable[[Tensor], None]
) -> Callable[[TrainStep], TrainStep]:
    def hook(adam: torch.optim.Optimizer, *_: object) -> None:
        for group in adam.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    change(parameter.grad)

    def strike(train_step: TrainStep) -> TrainStep:
        getattr(train_step.state, optimizer).register_step_pre_hook(hook)
        return train_step

    return strike


def flipped_bits(count: int, bit: int, *networks: str) -> Fault:
    """``count`` random weights of each network have one bit of their float32 flipped; 30 is the
    exponent's highest: a weight below 2 becomes astronomical."""

    def strike(train_step: TrainStep) -> TrainStep:
        random = torch.Generator().manual_seed(count)
        for network in networks:
            parameters = list(getattr(train_step.state, network).parameters())
            sizes = torch.tensor([parameter.numel() for parameter in parameters])
            for which in torch.multinomial(sizes.double(), count, True, generator=random).tolist():
                words = parameters[which].detach().view(-1).view(torch.int32)
                place = int(torch.randint(len(words), (), generator=random))
                words[place] ^= 1 << bit
        return train_step

    return Fault(strike)


def loud_output(factor: float) -> Fault:
    """G's last norm gives ``factor`` times its values to the last layer, which saturates."""

    def strike(train_step: TrainStep) -> TrainStep:
        with torch.no_grad():
            for generator in (train_step.state.generator, train_step.state.average):
                generator.output_norm.scale.mul_(factor)
                generator.output_norm.shift.mul_(factor)
        return train_step

    return Fault(strike)


def frozen_recurrence() -> Fault:
    """G's recurrence forgets its state at every step, so that all frames are alike."""

    def settle(state: TrainState) -> None:
        with torch.no_grad():
            for generator in (state.generator, state.average):
                for gate in (generator.recurrence.reset, generator.recurrence.update):
                    assert gate.bias is not None
                    gate.bias.fill_(-20)

    return Fault(settle=settle)


def spoiled_average(noise: float) -> Fault:
    """Noise of ``noise`` times a weight's own spread is added to the average after every step."""

    def settle(state: TrainState) -> None:
        with torch.no_grad():
            for parameter in state.average.parameters():
                parameter.add_(torch.randn_like(parameter) * noise * parameter.abs().mean())

    return Fault(settle=settle)
