"""The losses of one D update and one G update, on the clips of one part of a batch (paper 2.2)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dvdgan.models.discriminators import Scores
from dvdgan.models.generator import GeneratorInputs
from dvdgan.models.views import Views
from dvdgan.training.losses import discriminator_hinge, generator_hinge

StepMetrics = dict[str, Tensor]
Loss = tuple[Tensor, StepMetrics]


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Ask for no gradients of ``network``'s own parameters inside the block."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def discriminator_loss(
    discriminators: nn.Module,
    real: tuple[Tensor, Tensor],
    fake: tuple[Tensor, Tensor],
    views: Views,
) -> Loss:
    """The sum of D_S's and D_T's hinge losses; one forward on [real; fake].

    real, fake: clips (B, T, 3, H, W) in [-1, 1] and labels (B,); fake carries no graph.
    views: of the 2B clips. The figures: loss and mean logits of each discriminator.
    """
    video = torch.cat([real[0], fake[0]])
    labels = torch.cat([real[1], fake[1]])
    scores: Scores = discriminators(video, labels, views)
    losses = []
    figures: StepMetrics = {}
    for name, logits in scores.given().items():
        of_real, of_fake = _full_precision(logits).chunk(2)
        losses.append(discriminator_hinge(of_real, of_fake))
        figures |= {
            f"{name}_loss": losses[-1].detach(),
            f"{name}_real": of_real.detach().mean(),
            f"{name}_fake": of_fake.detach().mean(),
        }
    return torch.stack(losses).sum(), figures


def generator_loss(
    generator: nn.Module, discriminators: nn.Module, inputs: GeneratorInputs, views: Views
) -> Loss:
    """Minus the sum of both discriminators' scores. inputs and views: of B clips."""
    scores: Scores = discriminators(generator(*inputs), inputs.labels, views)
    losses = [generator_hinge(_full_precision(logits)) for logits in scores.given().values()]
    loss = torch.stack(losses).sum()
    return loss, {"generator_loss": loss.detach()}


def _full_precision(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
