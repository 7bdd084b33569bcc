"""SmallI3D: an inflated-Inception classifier, small enough to train on the data set itself.

The paper measures with an I3D trained on Kinetics-600, its own data set (section 4.1); this network
has I3D's shape (Carreira & Zisserman 2017): a 3-D stem, pooling first in space and then in time,
Inception modules of four branches, a global average, linear logits.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.clip_network import Activations, ClipNetwork, centred
from dvdgan.progress import Progress

TrainingBatch = tuple[Tensor, Tensor]

# Training-mode forwards that recompute the batch-norm statistics after the last step: after a short
# training, running averages still contain those of much earlier weights.
RECALIBRATION_BATCHES = 20


class ConvNormUnit(nn.Sequential):
    """3-D convolution without bias, batch norm, ReLU: (B, in, T, H, W) -> (B, out, T', H', W').

    ``stride`` is that of the two spatial axes.
    """

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv3d(inputs, outputs, size, (1, stride, stride), padding=size // 2, bias=False),
            nn.BatchNorm3d(outputs, eps=1e-3),
            nn.ReLU(inplace=True),
        )


class Inception(nn.Module):
    """I3D's module: 1x1x1; 1x1x1 then 3x3x3, twice; pool then 1x1x1; concatenated.

    (B, inputs, T, H, W) -> (B, outputs, T, H, W); the widths keep GoogLeNet's 2 : 4 : 1 : 1.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        quarter, half, eighth = outputs // 4, outputs // 2, outputs // 8
        self.point = ConvNormUnit(inputs, quarter, 1)
        self.wide = nn.Sequential(ConvNormUnit(inputs, quarter, 1), ConvNormUnit(quarter, half, 3))
        self.narrow = nn.Sequential(
            ConvNormUnit(inputs, eighth, 1), ConvNormUnit(eighth, eighth, 3)
        )
        self.pooled = nn.Sequential(nn.MaxPool3d(3, 1, 1), ConvNormUnit(inputs, eighth, 1))

    def forward(self, features: Tensor) -> Tensor:
        branches = (self.point, self.wide, self.narrow, self.pooled)
        return torch.cat([branch(features) for branch in branches], dim=1)


class SmallI3D(ClipNetwork):
    """Clips (B, T >= 2, 3, H, W), float in 0..255, 32 to 128 px -> Activations.

    ``width`` is the number of channels of the stem, an even number; the pooled feature has eight
    times as many.
    """

    value_range = "[-1, 1]"
    size = None
    fewest_frames = 2

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNormUnit(3, width, 3, stride=2),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            Inception(width, 4 * width),
            nn.MaxPool3d(3, 2, 1),
            Inception(4 * width, 8 * width),
            Inception(8 * width, 8 * width),
        )
        self.head = nn.Linear(8 * width, classes)

    def forward(self, clips: Tensor) -> Activations:
        pooled = self.body(centred(clips).transpose(1, 2)).mean(dim=(2, 3, 4))
        return Activations(pooled, self.head(pooled))


def train_small_i3d(
    batches: Iterator[TrainingBatch],
    network: SmallI3D,
    steps: int,
    learning_rate: float,
) -> None:
    """Minimise the cross entropy of ``network`` over ``steps`` batches; leave it in eval mode.

    ``batches`` is an infinite iterator of clips (B, T, 3, H, W) uint8 and labels (B,) int64. Clips
    are not flipped, since a mirrored motion may be another class. Adam, one-cycle learning rate.
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


def accuracy(network: nn.Module, batches: Iterable[TrainingBatch], total: int) -> float:
    """Share of clips whose largest logit is that of their label, 0..1.

    ``total``: the number of clips, for the progress line. Raises UserError without clips.
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


def _recalibrate(network: nn.Module, batches: Iterable[TrainingBatch]) -> None:
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches that follow
    with torch.no_grad():
        for clips, _ in batches:
            network(clips.float())
