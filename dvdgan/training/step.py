"""One D update and one G update (paper 2.2, A.3)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dvdgan.models.discriminators import Scores
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
    frame_indices: Tensor,
) -> Figures:
    """Move D_S and D_T down the sum of their hinge losses; one forward on [real; fake].

    real, fake: clips (B, T, 3, H, W) in [-1, 1] and labels (B,); fake carries no graph.
    frame_indices: (2B, k). Returns scalars: losses and mean logits.
    """
    video = torch.cat([real[0], fake[0]])
    labels = torch.cat([real[1], fake[1]])
    optimizer.zero_grad(set_to_none=True)
    scores: Scores = discriminators(video, labels, frame_indices)
    spatial_real, spatial_fake = scores.spatial.chunk(2)
    temporal_real, temporal_fake = scores.temporal.chunk(2)
    spatial_loss = discriminator_hinge(spatial_real, spatial_fake)
    temporal_loss = discriminator_hinge(temporal_real, temporal_fake)
    (spatial_loss + temporal_loss).backward()
    optimizer.step()
    return {
        "spatial_loss": spatial_loss.detach(),
        "temporal_loss": temporal_loss.detach(),
        "spatial_real": spatial_real.detach().mean(),
        "spatial_fake": spatial_fake.detach().mean(),
        "temporal_real": temporal_real.detach().mean(),
        "temporal_fake": temporal_fake.detach().mean(),
    }


def generator_update(
    generator: nn.Module,
    discriminators: nn.Module,
    optimizer: torch.optim.Optimizer,
    latents_and_labels: tuple[Tensor, Tensor],
    frame_indices: Tensor,
) -> Figures:
    """Move G up the sum of both discriminators' scores, D frozen.

    frame_indices: (B, k). Returns scalars: G's loss and gradient norm.
    """
    latents, labels = latents_and_labels
    optimizer.zero_grad(set_to_none=True)
    with frozen(discriminators):
        scores: Scores = discriminators(generator(latents, labels), labels, frame_indices)
        loss = generator_hinge(scores.spatial) + generator_hinge(scores.temporal)
        loss.backward()
    gradients = [p.grad for p in generator.parameters() if p.grad is not None]
    optimizer.step()
    return {
        "generator_loss": loss.detach(),
        "generator_gradient_norm": torch.nn.utils.get_total_norm(gradients),
    }
