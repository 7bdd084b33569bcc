"""The weights of a model as text: a line for each module, with the shape of all it keeps."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from torch import Tensor, nn

from dvdgan.config import Config
from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.build import discriminator_architecture, generator_architecture
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator
from dvdgan.models.meta import without_memory

# Classes of the data a preset is made for.
CLASSES = {
    "data/kinetics600": 600,
    "data/ucf101": 101,
    "data/bair": 2,
    "data/synthetic": 4,
    "data/moving_shapes": 4,
    "data/videos": 4,
}


def model_listing(config: Config) -> str:
    """G, D_S and D_T of a params file: parameter counts, names and shapes."""
    sections = (config.model, config.clip, CLASSES[config.index.root])
    of_g = generator_listing(generator_architecture(*sections))
    # phi changes what D_T sees, not what it is made of.
    of_d = replace(discriminator_architecture(*sections), phi="average_pool_2x2")
    return of_g + discriminators_listing(of_d)


@cache
def generator_listing(architecture: GeneratorArchitecture) -> str:
    with without_memory():
        return network_listing("G", Generator(architecture))


@cache
def discriminators_listing(architecture: DiscriminatorArchitecture) -> str:
    with without_memory():
        both = Discriminators(architecture)
    return network_listing("D_S", both.spatial) + network_listing("D_T", both.temporal)


def network_listing(name: str, network: nn.Module | None) -> str:
    """`module: entry shape, entry shape`, in the order of the state dict."""
    if network is None:
        return f"{name}: none\n"
    count = sum(parameter.numel() for parameter in network.parameters())
    lines = [f"{module}: {', '.join(kept)}" for module, kept in by_module(network.state_dict())]
    return "\n".join([f"{name}: {count:,} parameters", *lines]) + "\n"


def by_module(state: Mapping[str, Tensor]) -> list[tuple[str, list[str]]]:
    """The entries of a state dict by the module that holds them; a parametrisation is no module."""
    found: dict[str, list[str]] = {}
    for key, value in state.items():
        module, mark, entry = key.partition(".parametrizations.")
        if not mark:
            module, _, entry = key.rpartition(".")
        shape = "x".join(map(str, value.shape)) or "scalar"
        found.setdefault(module or "itself", []).append(f"{mark[1:]}{entry} {shape}")
    return list(found.items())
