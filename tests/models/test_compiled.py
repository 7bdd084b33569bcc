"""What torch.compile makes of the networks does what they do, in a training step.

The whole networks are captured, differentiated and decomposed as for inductor, and run without its
code. With its code it takes minutes of C++: by itself the predicting generator is checked so, and
all networks, inductor's code included, where DVDGAN_COMPILE_ALL=1.
"""

import copy
import os
import shutil
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from dvdgan.models import architecture
from dvdgan.models.architecture import DiscriminatorArchitecture, GeneratorArchitecture, Recurrence
from dvdgan.models.discriminators import Discriminators
from dvdgan.models.generator import Generator
from dvdgan.models.residual import halve_all
from dvdgan.models.views import draw_views

# Inductor's steps but its code: captured graph, derivative, decompositions, partition.
WITHOUT_CODE = "aot_eager_decomp_partition"

# In double precision eager and compiled differ by rounding alone; inductor adds up some products
# in single precision. Relative, and absolute.
TOLERANCE = {WITHOUT_CODE: (1e-9, 1e-11), "inductor": (1e-5, 1e-6)}

CLIPS, FRAMES = 2, 3

compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler: no g++ here")
everything = pytest.mark.skipif(
    os.environ.get("DVDGAN_COMPILE_ALL") != "1",
    reason="minutes of C++: set DVDGAN_COMPILE_ALL=1",
)
pytestmark = pytest.mark.long

backends = pytest.mark.parametrize(
    "backend", [WITHOUT_CODE, pytest.param("inductor", marks=[compiler, everything])]
)


@pytest.fixture(autouse=True)
def small_networks_and_a_compiler_of_their_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of 8 and 16 pixels, so that there is less to compile; no pool of processes."""
    monkeypatch.setitem(architecture.GENERATOR_CONSTANTS, 8, (4, 2))
    monkeypatch.setitem(architecture.DISCRIMINATOR_CONSTANTS, 8, (2, 8))
    monkeypatch.setitem(architecture.DISCRIMINATOR_CONSTANTS, 16, (2, 3, 8))
    with torch._inductor.config.patch(compile_threads=1):
        torch._dynamo.reset()
        yield
        torch._dynamo.reset()


def training_step(
    network: nn.Module, run: Callable[..., object], inputs: tuple[object, ...]
) -> dict[str, Tensor]:
    """Outputs, gradients and buffers after one forward and backward of ``run``.

    ``run`` is ``network``, or compiled from it.
    """
    torch.manual_seed(7)
    made = run(*inputs)
    outputs = [made] if isinstance(made, Tensor) else list(made)
    torch.stack([(each * torch.randn_like(each)).sum() for each in outputs]).sum().backward()
    result = {f"output {number}": each.detach() for number, each in enumerate(outputs)}
    result |= {f"gradient of {n}": p.grad for n, p in network.named_parameters()}
    return result | {name: buffer.clone() for name, buffer in network.named_buffers()}


def assert_compiles(network: nn.Module, inputs: tuple[object, ...], backend: str) -> None:
    """The buffers are the running statistics and the vectors of the power iteration."""
    network.double().train()
    for name, parameter in network.named_parameters():
        if name.endswith("gamma"):
            nn.init.constant_(parameter, 0.5)
    other = copy.deepcopy(network)
    eager = training_step(network, network, inputs)
    compiled = torch.compile(other, fullgraph=True, backend=backend)
    got = training_step(other, compiled, inputs)
    assert eager.keys() == got.keys()
    relative, absolute = TOLERANCE[backend]
    for name, expected in eager.items():
        torch.testing.assert_close(
            got[name], expected, rtol=relative, atol=absolute, msg=lambda m, n=name: f"{n}: {m}"
        )


def double(*shape: int) -> Tensor:
    return torch.rand(shape, dtype=torch.float64) * 2 - 1


LABELS = torch.arange(CLIPS)


@backends
@pytest.mark.parametrize(
    ("given", "rule"),
    [(0, "multiplicative_conv_gru"), pytest.param(1, "conv_gru", marks=everything)],
)
def test_the_generator(given: int, rule: Recurrence, backend: str) -> None:
    architecture = GeneratorArchitecture(
        classes=0 if given else 2,
        resolution=8,
        frames=2 + given,
        channels=2,
        latent_dim=4,
        class_dim=3,
        recurrence=rule,
        conditioning_frames=given,
        encoder_channels=1,
    )
    conditioning = double(CLIPS, given, 3, 8, 8) if given else None
    inputs = (double(CLIPS, 4), LABELS, conditioning)
    assert_compiles(Generator(architecture), inputs, backend)


@everything
@backends
def test_the_discriminators(backend: str) -> None:
    views = draw_views(CLIPS, FRAMES, 2, torch.Generator())
    inputs = (double(CLIPS, FRAMES, 3, 16, 16), LABELS, views)
    assert_compiles(Discriminators(DiscriminatorArchitecture(2, 16, 1)), inputs, backend)


@everything
@compiler
@pytest.mark.parametrize("steps", [3, 4])
def test_halving_has_the_gradient_of_a_mean(steps: int) -> None:
    """Inductor's gradient of a pooling with ceil_mode is wrong at the last of an odd number."""
    x, weights = double(2, 3, steps, 4, 4).requires_grad_(), double(2, 3, 2, 2, 2)
    (torch.compile(halve_all, fullgraph=True, dynamic=False)(x) * weights).sum().backward()
    each = weights.repeat_interleave(2, 2).repeat_interleave(2, 3).repeat_interleave(2, 4) / 8
    if steps == 3:
        each[:, :, 2] *= 2  # four pixels to the mean of a last step alone
        each = each[:, :, :3]
    torch.testing.assert_close(x.grad, each)
