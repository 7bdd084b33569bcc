"""The hinge losses (paper 2.2)."""

from torch import Tensor
from torch.nn.functional import relu


def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """E[relu(1 - D(x))] + E[relu(1 + D(G(z)))]; logits (B,) -> scalar, 0 when D is sure."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def generator_hinge(fake: Tensor) -> Tensor:
    """-E[D(G(z))]: G maximises the score of its clips; logits (B,) -> scalar."""
    return -fake.mean()
