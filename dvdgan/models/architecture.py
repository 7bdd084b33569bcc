"""What decides the layers of G, D_S and D_T. The defaults are the choices of the paper.

Plain values, so that a model bundle can keep them in JSON.
"""

from dataclasses import dataclass
from typing import Literal

Recurrence = Literal["by_length", "multiplicative_conv_gru", "conv_gru"]
Norm = Literal["per_step_batch", "batch", "group", "layer", "instance", "none"]
Blocks = Literal["biggan", "biggan_deep"]
Kinds = Literal["dual", "spatial", "temporal"]
Phi = Literal["average_pool_2x2", "average_pool_4x4", "identity", "random_half_crop"]

# The layer constants: channels of every stage in units of ch, by resolution (paper A.2). 64 and
# 128: the paper's; 256: BigGAN's; 32, for small runs: ours. G's first constant is the width of the
# recurrence at 4 x 4; every further one is a stage that doubles the resolution.
GENERATOR_CONSTANTS: dict[int, tuple[int, ...]] = {
    32: (8, 8, 4, 2),
    64: (8, 8, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
}
# A discriminator's: one stage each; all but the last halve the resolution.
DISCRIMINATOR_CONSTANTS: dict[int, tuple[int, ...]] = {
    32: (4, 8, 16, 16),
    64: (2, 4, 8, 16, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
}

# Paper A.2: clips of 48 frames did better with the plain ConvGRU, shorter ones with the
# multiplicative one.
LONG_CLIP = 48


@dataclass(frozen=True)
class GeneratorArchitecture:
    """G of class-conditional synthesis, or of frame prediction (DVD-GAN-FP, paper A.4)."""

    classes: int
    """0: no class information at all, as in frame prediction."""
    resolution: int
    """Height and width of a clip, pixels."""
    frames: int
    """T of a whole clip, conditioning frames included."""
    channels: int
    """ch: the layer constants are multiplied by it."""
    latent_dim: int = 120
    class_dim: int = 120
    recurrent_channels: int | None = None
    """ch0, the width of everything before the residual network; None: first constant times ch."""
    recurrence: Recurrence = "by_length"
    block_norm: Norm = "per_step_batch"
    """What the norms inside the residual blocks take their statistics over."""
    output_norm: Norm = "per_step_batch"
    """The same for the last norm, before the output convolution."""
    blocks: Blocks = "biggan"
    conditioning_frames: int = 0
    """C, the frames of a clip that are given; 0: synthesis."""
    encoder_channels: int = 0
    """ch of the network that reads conditioning frames, the same as D_S's."""

    @property
    def generated_frames(self) -> int:
        """The frames of a clip that G makes."""
        return self.frames - self.conditioning_frames

    @property
    def multiplicative(self) -> bool:
        """Whether the recurrence is the multiplicative ConvGRU, by the paper's rule or by name."""
        if self.recurrence == "by_length":
            return self.frames < LONG_CLIP
        return self.recurrence == "multiplicative_conv_gru"


@dataclass(frozen=True)
class DiscriminatorArchitecture:
    """D_S and D_T, or one of them alone."""

    classes: int
    """0: no class information."""
    resolution: int
    channels: int
    """ch of both."""
    kinds: Kinds = "dual"
    phi: Phi = "average_pool_2x2"
    """What D_T sees of a clip."""
    blocks: Blocks = "biggan"
