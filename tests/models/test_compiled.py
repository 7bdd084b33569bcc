"""What torch.compile makes of the networks does what they do, in a training step.

The whole networks are captured, differentiated and decomposed as for any compiler, and run without
one: that takes seconds. Compiled to C++ they take minutes, so that by itself only their parts are,
unless DVDGAN_COMPILE_ALL=1 asks for all.
"""

import copy
import os
import shutil
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture
from dvdgan.models.attention import SeparableSelfAttention
from dvdgan.models.conv_gru import ConvGRU, MultiplicativeConvGRU
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator
from dvdgan.models.residual import DiscriminatorBlock
from dvdgan.models.views import draw_views

# Inductor's steps without its code: captured graph, derivative, decompositions, partition.
WITHOUT_CODE = "aot_eager_decomp_partition"

compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler: no g++ here")
everything = pytest.mark.skipif(
    os.environ.get("DVDGAN_COMPILE_ALL") != "1",
    reason="minutes of C++: set DVDGAN_COMPILE_ALL=1",
)
backends = pytest.mark.parametrize(
    "backend", [WITHOUT_CODE, pytest.param("inductor", marks=[compiler, everything])]
)


@pytest.fixture(autouse=True)
def a_compiler_of_its_own() -> Iterator[None]:
    """No graph of another test, and no pool of processes."""
    with torch._inductor.config.patch(compile_threads=1):
        torch._dynamo.reset()
        yield
        torch._dynamo.reset()


def outputs_and_gradients(
    network: nn.Module, run: object, inputs: tuple[object, ...]
) -> dict[str, Tensor]:
    """Of one training forward and backward of ``run``, which is ``network`` or made of it."""
    torch.manual_seed(7)
    made = run(*inputs)
    outputs = [made] if isinstance(made, Tensor) else list(made)
    sum((each * torch.randn_like(each)).sum() for each in outputs).backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    return {str(number): each.detach() for number, each in enumerate(outputs)} | gradients | buffers


def assert_compiles(network: nn.Module, inputs: tuple[object, ...], backend: str) -> None:
    """In double precision, where eager and compiled differ by rounding alone.

    Outputs, gradients, running statistics and the vectors of the power iteration agree.
    """
    network = network.double().train()
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            nn.init.constant_(parameter, 0.5)
    other = copy.deepcopy(network)
    compiled = torch.compile(other, fullgraph=True, backend=backend)
    eager = outputs_and_gradients(network, network, inputs)
    got = outputs_and_gradients(other, compiled, inputs)
    assert eager.keys() == got.keys()
    for name, expected in eager.items():
        torch.testing.assert_close(
            got[name], expected, atol=1e-8, rtol=1e-6, msg=lambda m, n=name: n + m
        )


def double(*shape: int) -> Tensor:
    return torch.rand(shape, dtype=torch.float64) * 2 - 1


@backends
def test_the_generator(backend: str) -> None:
    architecture = GeneratorArchitecture(
        0, 32, frames=3, channels=1, latent_dim=4, conditioning_frames=1, encoder_channels=1
    )
    inputs = (double(2, 4), torch.tensor([0, 1]), double(2, 1, 3, 32, 32))
    assert_compiles(Generator(architecture), inputs, backend)


@backends
def test_the_discriminators(backend: str) -> None:
    views = draw_views(2, 2, 1, torch.Generator())
    inputs = (double(2, 2, 3, 32, 32), torch.tensor([0, 1]), views)
    assert_compiles(Discriminators(DiscriminatorArchitecture(2, 32, 1)), inputs, backend)


@compiler
@pytest.mark.parametrize("kind", [ConvGRU, MultiplicativeConvGRU])
def test_a_recurrence(kind: type[ConvGRU]) -> None:
    inputs = (double(2, 3, 4, 4), double(2, 3, 4, 4))
    assert_compiles(kind(channels=3, frames=2), inputs, "inductor")


@compiler
def test_attention() -> None:
    assert_compiles(SeparableSelfAttention(8), (double(2, 2, 8, 4, 4),), "inductor")


@compiler
def test_a_block_in_three_dimensions() -> None:
    block = DiscriminatorBlock(2, 3, dimensions=3, first=False, downsample=True)
    assert_compiles(block, (double(2, 2, 3, 4, 4),), "inductor")
