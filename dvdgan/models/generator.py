"""The generator: from a latent, and a class or some frames, to a clip (paper 3, A.2, A.4)."""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dvdgan.models import spectral
from dvdgan.models.architecture import GENERATOR_CONSTANTS, GeneratorArchitecture
from dvdgan.models.attention import SelfAttention, SeparableSelfAttention
from dvdgan.models.conditional_norm import ConditionalNorm, OutputNorm
from dvdgan.models.conv_gru import ConvGRU, MultiplicativeConvGRU
from dvdgan.models.frame_encoder import EncodedFrames, FrameEncoder, SkipConnection
from dvdgan.models.residual import DeepGeneratorBlock, GeneratorBlock

INITIAL_SIZE = 4


class GeneratorInputs(NamedTuple):
    """What a batch of clips is made from: `generator(*inputs)`."""

    latents: Tensor
    """(B, latent_dim), z ~ N(0, I)."""
    labels: Tensor
    """(B,) int64 in 0..classes-1; of no influence where G knows no classes."""
    conditioning: Tensor | None = None
    """(B, C, 3, R, R) in [-1, 1]: the frames to continue; None for synthesis."""

    def to(self, device: torch.device | str) -> "GeneratorInputs":
        given = None if self.conditioning is None else self.conditioning.to(device)
        return GeneratorInputs(self.latents.to(device), self.labels.to(device), given)

    def rows(self, chosen: slice) -> "GeneratorInputs":
        """The inputs of some of the clips."""
        given = None if self.conditioning is None else self.conditioning[chosen]
        return GeneratorInputs(self.latents[chosen], self.labels[chosen], given)


class Stage(nn.Module):
    """A block at constant resolution and one that doubles it, both conditioned on all of [z; e(y)].

    In frame prediction the features of the conditioning frames are joined between the two (A.4).
    x: (B, T, C, H, W) -> (B, T, C', 2H, 2W).
    """

    def __init__(self, keep: nn.Module, doubling: nn.Module, skip: SkipConnection | None) -> None:
        super().__init__()
        self.keep = keep
        self.skip = skip
        self.doubling = doubling

    def forward(self, x: Tensor, condition: Tensor, encoded: EncodedFrames | None) -> Tensor:
        x = self.keep(x, condition)
        if self.skip is not None and encoded is not None:
            x = self.skip(x, encoded.skips[x.shape[-1]])
        doubled: Tensor = self.doubling(x, condition)
        return doubled


class Generator(nn.Module):
    """DVD-GAN's G, or DVD-GAN-FP's.

    latents, labels, conditioning (GeneratorInputs) -> a clip (B, T, 3, R, R) in [-1, 1]. In
    prediction the clip begins with the conditioning frames as they were given.

    [z; e(y)] -> affine map to 4x4 -> recurrence over T -> joint self-attention -> a residual
    network on every frame alone, two blocks a stage, conditioned everywhere on the whole [z; e(y)]
    -> separable self-attention before its last stage -> norm, relu, conv, tanh.
    """

    def __init__(self, architecture: GeneratorArchitecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        constants = [a.channels * constant for constant in GENERATOR_CONSTANTS[a.resolution]]
        ch0 = a.recurrent_channels or constants[0]
        T = a.generated_frames
        condition = a.latent_dim + (a.class_dim if a.classes else 0)
        self.class_embedding = None
        if a.classes:
            self.class_embedding = nn.Embedding(a.classes, a.class_dim)  # normalised, it cripples G
            nn.init.orthogonal_(self.class_embedding.weight)
        self.encoder = None
        if a.conditioning_frames:
            self.encoder = FrameEncoder(
                a.conditioning_frames, a.resolution, a.encoder_channels, ch0, a.blocks
            )
        self.initial = spectral.linear(condition, ch0 * INITIAL_SIZE**2)
        self.recurrence = (MultiplicativeConvGRU if a.multiplicative else ConvGRU)(ch0, T)
        self.joint_attention = SelfAttention(ch0)
        block = DeepGeneratorBlock if a.blocks == "biggan_deep" else GeneratorBlock
        norm = partial(ConditionalNorm, a.block_norm, T, condition=condition)
        self.stages = nn.ModuleList()
        for number, (wide, narrow) in enumerate(pairwise(constants)):
            skip = None
            if self.encoder is not None:
                skip = SkipConnection(wide, self.encoder.skip_channels[INITIAL_SIZE << number])
            self.stages.append(
                Stage(
                    block(wide if number else ch0, wide, norm, upsample=False),
                    block(wide, narrow, norm, upsample=True),
                    skip,
                )
            )
        self.separable_attention = SeparableSelfAttention(constants[-2])
        self.output_norm = OutputNorm(a.output_norm, T, constants[-1])
        self.output = spectral.conv2d(constants[-1], 3, 3)

    def forward(
        self, latents: Tensor, labels: Tensor, conditioning: Tensor | None = None
    ) -> Tensor:
        return self.synthesise(self.condition(latents, labels), conditioning)

    def condition(self, latents: Tensor, labels: Tensor) -> Tensor:
        """[z; e(y)], or z alone where there are no classes: (B, D)."""
        if self.class_embedding is None:
            return latents
        return torch.cat([latents, self.class_embedding(labels)], dim=1)

    def synthesise(self, condition: Tensor, conditioning: Tensor | None = None) -> Tensor:
        """A clip from a conditioning vector, which may lie between two classes.

        Raises ValueError if frames to continue are missing, or given to a G that has no use
        for them.
        """
        given = 0 if conditioning is None else conditioning.shape[1]
        expected = self.architecture.conditioning_frames
        if given != expected:
            raise ValueError(f"G continues {expected} frames, but got {given}")
        encoded = None if self.encoder is None else self.encoder(conditioning)
        x = self.initial(condition).unflatten(1, (-1, INITIAL_SIZE, INITIAL_SIZE))
        x = self.recurrence(x, None if encoded is None else encoded.state)
        # Convolutions work with the channels of a pixel side by side; every layer keeps that order.
        x = x.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, x.shape[:2])
        x = self.joint_attention(x)
        for number, stage in enumerate(self.stages, start=1):
            if number == len(self.stages):
                x = self.separable_attention(x)
            x = stage(x, condition, encoded)
        x = torch.relu_(self.output_norm(x))
        frames = torch.tanh(self.output(x.flatten(0, 1))).unflatten(0, x.shape[:2])
        return frames if conditioning is None else torch.cat([conditioning, frames], dim=1)
