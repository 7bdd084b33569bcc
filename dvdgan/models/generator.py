"""The generator: one latent and one class to T frames (paper 3, A.2, Fig. 3)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from dvdgan.models import spectral, widths
from dvdgan.models.attention import SelfAttention, SeparableSelfAttention
from dvdgan.models.conditional_norm import OutputNorm
from dvdgan.models.conv_gru import MultiplicativeConvGRU
from dvdgan.models.residual import GeneratorBlock

INITIAL_SIZE = 4


class Generator(nn.Module):
    """DVD-GAN's G.

    latents: (B, latent_dim), N(0, I); labels: (B,) in 0..classes-1
    -> frames: (B, T, 3, resolution, resolution) in [-1, 1].

    [z; e(y)] -> affine map to 4x4 -> recurrence over T -> joint self-attention -> a residual
    network on every frame alone, two blocks a stage, conditioned everywhere on the whole [z; e(y)]
    -> separable self-attention before its last stage -> norm, relu, conv, tanh.
    """

    def __init__(
        self,
        classes: int,
        resolution: int,
        frames: int,
        channels: int,
        latent_dim: int = 120,
        class_dim: int = 120,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        constants = [channels * constant for constant in widths.GENERATOR[resolution]]
        condition = latent_dim + class_dim
        self.class_embedding = nn.Embedding(classes, class_dim)  # normalising it cripples G
        nn.init.orthogonal_(self.class_embedding.weight)
        self.initial = spectral.linear(condition, constants[0] * INITIAL_SIZE**2)
        self.recurrence = MultiplicativeConvGRU(constants[0], frames)
        self.joint_attention = SelfAttention(constants[0])
        self.stages = nn.ModuleList(
            nn.ModuleList(
                [
                    GeneratorBlock(wide, wide, frames, condition, upsample=False),
                    GeneratorBlock(wide, narrow, frames, condition, upsample=True),
                ]
            )
            for wide, narrow in pairwise(constants)
        )
        self.separable_attention = SeparableSelfAttention(constants[-2])
        self.output_norm = OutputNorm(frames, constants[-1])
        self.output = spectral.conv2d(constants[-1], 3, 3)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        condition = torch.cat([latents, self.class_embedding(labels)], dim=1)
        x = self.initial(condition).unflatten(1, (-1, INITIAL_SIZE, INITIAL_SIZE))
        x = self.joint_attention(self.recurrence(x))
        for number, stage in enumerate(self.stages, start=1):
            if number == len(self.stages):
                x = self.separable_attention(x)
            for block in stage:  # type: ignore[attr-defined]
                x = block(x, condition)
        x = torch.relu(self.output_norm(x))
        frames = torch.tanh(self.output(x.flatten(0, 1)))
        return frames.view(*x.shape[:2], *frames.shape[1:])
