"""One D update and one G update (paper 2.2, A.3)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dvdgan.models.discriminators import Scores
from dvdgan.models.generator import GeneratorInputs
from dvdgan.models.views import Views
from dvdgan.training.losses import discriminator_hinge, generator_hinge

Figures = dict[str, Tensor]


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Ask for no gradients of ``network``'s own parameters inside the block."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def discriminator_update(
    discriminators: nn.Module,
    optimizer: torch.optim.Optimizer,
    real: tuple[Tensor, Tensor],
    fake: tuple[Tensor, Tensor],
    views: Views,
) -> Figures:
    """Move D_S and D_T down the sum of their hinge losses; one forward on [real; fake].

    real, fake: clips (B, T, 3, H, W) in [-1, 1] and labels (B,); fake carries no graph.
    views: of the 2B clips. Returns scalars: losses and mean logits of each discriminator.
    """
    video = torch.cat([real[0], fake[0]])
    labels = torch.cat([real[1], fake[1]])
    optimizer.zero_grad(set_to_none=True)
    scores: Scores = discriminators(video, labels, views)
    losses = []
    figures: Figures = {}
    for name, logits in scores.given().items():
        of_real, of_fake = logits.chunk(2)
        losses.append(discriminator_hinge(of_real, of_fake))
        figures |= {
            f"{name}_loss": losses[-1].detach(),
            f"{name}_real": of_real.detach().mean(),
            f"{name}_fake": of_fake.detach().mean(),
        }
    torch.stack(losses).sum().backward()
    optimizer.step()
    return figures


def generator_update(
    generator: nn.Module,
    discriminators: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: GeneratorInputs,
    views: Views,
) -> Figures:
    """Move G up the sum of both discriminators' scores, D frozen.

    inputs and views: of B clips. Returns scalars: G's loss and gradient norm.
    """
    optimizer.zero_grad(set_to_none=True)
    with frozen(discriminators):
        scores: Scores = discriminators(generator(*inputs), inputs.labels, views)
        loss = torch.stack([generator_hinge(logits) for logits in scores.given().values()]).sum()
        loss.backward()
    gradients = [p.grad for p in generator.parameters() if p.grad is not None]
    optimizer.step()
    return {
        "generator_loss": loss.detach(),
        "generator_gradient_norm": torch.nn.utils.get_total_norm(gradients),
    }
