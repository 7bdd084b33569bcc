"""What gpu_speed.py changes about the trainer's step, one thing at a time."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dvdgan.models import conditional_norm, residual
from dvdgan.models.residual import double, halve_all, halve_space
from dvdgan.training.train_step import TrainStep

Change = Callable[[], AbstractContextManager[None]]

BLOCKS = ("GeneratorBlock", "DiscriminatorBlock", "SelfAttention", "OutputNorm", "ConvGRU")


def plain_halved(x: Tensor, conv: nn.Module) -> Tensor:
    halved: Tensor = (halve_space if x.dim() == 4 else halve_all)(conv(x))
    return halved


@contextmanager
def convolutions_at_full_resolution() -> Iterator[None]:
    with (
        patch.object(residual, "convolve_doubled", lambda x, conv: conv(double(x))),
        patch.object(residual, "convolve_halved", plain_halved),
    ):
        yield


@contextmanager
def torch_setting(owner: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    yield
    setattr(owner, name, before)


@contextmanager
def any_algorithm() -> Iterator[None]:
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(True, warn_only=True)


@contextmanager
def adam_not_fused(step: TrainStep) -> Iterator[None]:
    optimizers = (step.state.generator_optimizer, step.state.discriminator_optimizer)
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    for group in groups:
        group["fused"], group["foreach"] = False, True
    yield
    for group in groups:
        group["fused"], group["foreach"] = True, None


@contextmanager
def compiled_blocks(step: TrainStep) -> Iterator[None]:
    torch._dynamo.config.recompile_limit = 64  # a block class has many sizes
    networks = (step.state.generator, step.state.discriminators)
    blocks = [
        module
        for network in networks
        for module in network.modules()
        if type(module).__name__.endswith(BLOCKS)
    ]
    for block in blocks:
        block.compile(dynamic=False)
    yield
    for block in blocks:
        block._compiled_call_impl = None


class QrOn(TorchFunctionMode):
    """Decomposes the matrices of the orthogonal initialisation on ``device``."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.linalg.qr:
            return tuple(factor.cpu() for factor in func(args[0].to(self.device)))
        return func(*args, **(kwargs or {}))


def changes(step: TrainStep) -> dict[str, Change]:
    """What is changed, one thing at a time."""
    moments = {"cuda": lambda _: False, "cpu": lambda _: True}[step.rng.device.type]
    norm = "batch norm by " + ("moments" if step.rng.device.type == "cuda" else "torch's kernel")
    return {
        "convolutions at full resolution": convolutions_at_full_resolution,
        norm: lambda: patch.object(conditional_norm, "_has_a_faster_kernel", moments),
        "new memory filled": lambda: torch_setting(
            torch.utils.deterministic, "fill_uninitialized_memory", True
        ),
        "algorithms not deterministic": any_algorithm,
        "cudnn.benchmark": lambda: torch_setting(torch.backends.cudnn, "benchmark", True),
        "Adam by foreach": lambda: adam_not_fused(step),
    }
