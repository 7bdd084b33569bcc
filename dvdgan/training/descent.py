"""How a network is moved: gradients over the parts of a batch, loss scale, Adam (paper A.3)."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dvdgan.models.spectral import no_power_iteration
from dvdgan.training.step import Loss, StepMetrics

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Run forward passes inside in ``precision``."""
    return torch.autocast(device.type, DTYPES[precision], enabled=precision != "fp32")


def loss_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler:
    """A loss scale that follows what one network's gradients can bear; inert but in fp16."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


@dataclass(frozen=True)
class OptimizerStep:
    """Moves one network down its loss; everything else in the loss stays as it is."""

    network: nn.Module
    """As the runtime wrapped it."""
    members: Mapping[str, nn.Module]
    """Its parts whose gradient norms are told, by name."""
    others: tuple[nn.Module, ...]
    """The other networks that take part in its loss."""
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    precision: Precision
    device: torch.device

    def step(self, parts: int, loss_of: Callable[[int], Loss]) -> StepMetrics:
        """One update by the mean loss of ``parts`` equal parts of the batch.

        ``loss_of(part)`` runs the forward passes of part 0 .. parts - 1. Weights are normalised
        anew for the first part alone and processes exchange gradients at the last, so that the
        update is that of the whole batch at once. Returns scalars: the figures' means over parts,
        gradient norms, how many parameters had gradients that are not finite.

        In fp16 an update with such gradients is left out and the loss scale halved.
        """
        self.optimizer.zero_grad(set_to_none=True)
        told: list[StepMetrics] = []
        for part in range(parts):
            with ExitStack() as around:
                if part > 0:
                    for network in (self.network, *self.others):
                        around.enter_context(no_power_iteration(network))
                if part < parts - 1 and isinstance(self.network, DistributedDataParallel):
                    around.enter_context(self.network.no_sync())
                with autocast(self.precision, self.device):
                    loss, figures = loss_of(part)
                told.append(figures)
                self.scaler.scale(loss / parts).backward()
        self.scaler.unscale_(self.optimizer)
        measured = self._gradient_figures()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return {name: _mean(figures[name] for figures in told) for name in told[0]} | measured

    def _gradient_figures(self) -> StepMetrics:
        figures: StepMetrics = {}
        broken = torch.zeros((), dtype=torch.int64, device=self.device)
        for name, member in self.members.items():
            gradients = [p.grad for p in member.parameters() if p.grad is not None]
            norms = torch.stack(torch._foreach_norm(gradients))
            figures[f"{name}_gradient_norm"] = torch.linalg.vector_norm(norms)
            broken += (~norms.isfinite()).sum()
        return figures | {"non_finite_gradients": broken}


def _mean(values: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean(dim=0)
