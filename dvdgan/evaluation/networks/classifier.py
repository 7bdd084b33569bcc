"""Train the feature network on the data set's own classes, and measure how well it tells them."""

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.small_i3d import SmallI3D
from dvdgan.progress import Progress

Batch = tuple[Tensor, Tensor]

# Training-mode forwards that replace the running batch-norm statistics after the last step: after a
# short training, running averages still remember networks that no longer exist.
RECALIBRATION_BATCHES = 20


def train_small_i3d(
    batches: Iterator[Batch],
    network: SmallI3D,
    steps: int,
    learning_rate: float,
) -> None:
    """Minimise the cross entropy of ``network`` over ``steps`` batches; leave it in eval mode.

    ``batches`` yields clips (B, T, 3, H, W) uint8 and labels (B,) int64 without end. Nothing is
    flipped, since a mirrored motion may be another class. Adam, one cycle of the learning rate.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps + 1)
    network.train()
    with Progress("train feature network", steps, "steps") as progress:
        for clips, labels in islice(batches, steps):
            loss = functional.cross_entropy(network(clips.float()).logits, labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            progress.advance(note=f"loss {loss.item():.3f}")
    _recalibrate(network, islice(batches, RECALIBRATION_BATCHES))
    network.eval()


def accuracy(network: nn.Module, batches: Iterable[Batch], total: int) -> float:
    """Share of clips whose largest logit is their label's; 0..1.

    ``total`` clips are announced on the progress line. Raises UserError without clips.
    """
    right = seen = 0
    with torch.inference_mode(), Progress("test feature network", total, "clips") as progress:
        for clips, labels in batches:
            right += int((network(clips.float()).logits.argmax(1) == labels).sum())
            seen += len(labels)
            progress.advance(len(labels))
    if not seen:
        raise UserError(
            "there are no clips to measure accuracy on", todo="raise index.test_fraction"
        )
    return right / seen


def _recalibrate(network: nn.Module, batches: Iterable[Batch]) -> None:
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches that follow
    with torch.no_grad():
        for clips, _ in batches:
            network(clips.float())
