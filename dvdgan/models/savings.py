"""What G, D_S and D_T cost, and what the paper's two ideas save (paper 3.1, 3.2)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dvdgan.models import widths
from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.attention import SelfAttention, SeparableSelfAttention
from dvdgan.models.cost import Inputs, NetworkCost, network_cost, without_memory
from dvdgan.models.discriminators import Discriminators, TemporalDiscriminator
from dvdgan.models.generator import Generator
from dvdgan.models.views import PHI


@dataclass(frozen=True)
class AttentionCost:
    """G's separable attention, and full attention at the same place (paper 3.2)."""

    shape: tuple[int, int, int, int]
    """T, C, H, W of the features they run on."""
    separable: NetworkCost
    full: NetworkCost

    @property
    def separable_weights(self) -> int:
        """Entries of the largest weight tensor of a clip: max(H^2 W T, H W^2 T, H W T^2)."""
        T, _, H, W = self.shape
        return max(H * H * W * T, H * W * W * T, H * W * T * T)

    @property
    def full_weights(self) -> int:
        """Entries of the weight tensor of a clip: (H W T)^2."""
        T, _, H, W = self.shape
        return (H * W * T) ** 2


@dataclass(frozen=True)
class ModelCost:
    """A model's networks, and what they are measured against."""

    generator: NetworkCost
    discriminators: dict[str, NetworkCost]
    """D_S, D_T, or one of them."""
    pixels_seen: dict[str, int]
    """Of one clip, by each discriminator (paper 3.1)."""
    clip_pixels: int
    full_discriminator: NetworkCost
    """A discriminator without the economies: the whole clip at full resolution, 3-D throughout."""
    attention: AttentionCost


def model_cost(
    generator: GeneratorArchitecture, discriminator: DiscriminatorArchitecture, k: int
) -> ModelCost:
    """Measure the networks of a model; k: the frames D_S sees of each clip."""
    clip = (generator.frames, 3, generator.resolution, generator.resolution)
    with without_memory():
        both = Discriminators(discriminator)
        of_time = PHI[discriminator.phi](torch.empty(1, *clip), torch.empty(1, 2))[0]
    networks = {"D_S": both.spatial, "D_T": both.temporal}
    views = {"D_S": (k, *clip[1:]), "D_T": tuple(of_time.shape)}
    given = {name: network for name, network in networks.items() if network is not None}
    return ModelCost(
        generator_cost(generator),
        {name: network_cost(network, _clips(views[name])) for name, network in given.items()},
        {name: _pixels(views[name]) for name in given},
        _pixels(clip),
        full_discriminator_cost(discriminator, generator.frames),
        attention_cost(generator),
    )


def generator_cost(architecture: GeneratorArchitecture) -> NetworkCost:
    """G, and in it the network that reads conditioning frames where there are any."""
    a = architecture
    with without_memory():
        network = Generator(a)

    def inputs(clips: int) -> tuple[Tensor, ...]:
        latents = torch.empty(clips, a.latent_dim)
        labels = torch.zeros(clips, dtype=torch.long)
        if not a.conditioning_frames:
            return latents, labels
        given = torch.empty(clips, a.conditioning_frames, 3, a.resolution, a.resolution)
        return latents, labels, given

    return network_cost(network, inputs)


def full_discriminator_cost(architecture: DiscriminatorArchitecture, frames: int) -> NetworkCost:
    """D_T with phi = identity and every block in three dimensions."""
    a = architecture
    stages = len(widths.DISCRIMINATOR[a.resolution])
    blocks = stages if a.blocks == "biggan" else 2 * stages
    sizes = (a.classes, a.resolution, a.channels, a.blocks)
    with without_memory():
        network = TemporalDiscriminator(*sizes, three_dimensional=blocks)
    return network_cost(network, _clips((frames, 3, a.resolution, a.resolution)))


def attention_cost(architecture: GeneratorArchitecture) -> AttentionCost:
    """Separable attention where G has it, and one layer over all positions instead."""
    a = architecture
    half = a.resolution // 2
    channels = a.channels * widths.GENERATOR[a.resolution][-2]
    shape = (a.generated_frames, channels, half, half)
    with without_memory():
        separable, full = SeparableSelfAttention(channels), nn.Sequential(SelfAttention(channels))

    def inputs(clips: int) -> tuple[Tensor, ...]:
        return (torch.empty(clips, *shape, requires_grad=True),)

    return AttentionCost(shape, network_cost(separable, inputs), network_cost(full, inputs))


def _clips(view: tuple[int, ...]) -> Inputs:
    """Views of clips and their labels, the arguments of a discriminator."""
    return lambda clips: (torch.empty(clips, *view), torch.zeros(clips, dtype=torch.long))


def _pixels(view: tuple[int, ...]) -> int:
    """Of (frames, 3, H, W)."""
    frames, _, H, W = view
    return frames * H * W
