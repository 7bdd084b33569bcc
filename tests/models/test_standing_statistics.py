"""Standing statistics are the plain mean over forwards."""

from collections import defaultdict

import numpy as np
import pytest
import torch
from plain_numpy import array

from dvdgan.models.architecture import GeneratorArchitecture, Norm
from dvdgan.models.conditional_norm import PerFrame, PerStepBatchNorm
from dvdgan.models.generator import Generator, GeneratorInputs
from dvdgan.models.standing_statistics import recompute_statistics


def tiny(conditioning_frames: int, block_norm: Norm = "per_step_batch") -> Generator:
    return Generator(
        GeneratorArchitecture(
            classes=0 if conditioning_frames else 3,
            resolution=32,
            frames=3 + conditioning_frames,
            channels=1,
            latent_dim=8,
            class_dim=6,
            block_norm=block_norm,
            conditioning_frames=conditioning_frames,
            encoder_channels=1,
        )
    )


def inputs(size: int, conditioning_frames: int) -> GeneratorInputs:
    given = torch.rand(size, conditioning_frames, 3, 32, 32) if conditioning_frames else None
    return GeneratorInputs(torch.randn(size, 8), torch.arange(size) % 3, given)


@pytest.mark.parametrize("conditioning_frames", [0, 2])
@pytest.mark.parametrize("block_norm", ["per_step_batch", "batch"])
def test_the_mean_over_all_forwards_and_no_parameter_moves(
    conditioning_frames: int, block_norm: Norm
) -> None:
    generator = tiny(conditioning_frames, block_norm).train()
    norms = {
        name: norm
        for name, norm in generator.named_modules()
        if isinstance(norm, PerStepBatchNorm | PerFrame)
    }
    assert len(norms) == 2 * 2 * 3 + 1  # two blocks a stage, two norms a block, and the last
    batches = [inputs(4, conditioning_frames) for _ in range(3)]
    generator(*batches[0])  # old statistics, to be forgotten
    state = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    seen = defaultdict(list)
    hooks = [
        norm.register_forward_pre_hook(lambda _, x, name=name: seen[name].append(array(x[0])))
        for name, norm in norms.items()
    ]
    recompute_statistics(generator, batches)
    for hook in hooks:
        hook.remove()
    for name, norm in norms.items():
        assert len(seen[name]) == 3
        axes = (0, 3, 4) if isinstance(norm, PerStepBatchNorm) else (0, 1, 3, 4)
        means = np.mean([x.mean(axis=axes).ravel() for x in seen[name]], 0)
        variances = np.mean([x.var(axis=axes, ddof=1).ravel() for x in seen[name]], 0)
        np.testing.assert_allclose(array(norm.norm.running_mean), means, atol=1e-5)
        np.testing.assert_allclose(array(norm.norm.running_var), variances, rtol=1e-4)
        assert norm.norm.momentum == 0.1
    assert not generator.training
    assert not any(module.training for module in generator.modules())
    statistics = ("running_mean", "running_var", "num_batches_tracked", "._u", "._v")
    for name, tensor in generator.state_dict().items():
        if not name.endswith(statistics):
            assert torch.equal(tensor, state[name]), name
