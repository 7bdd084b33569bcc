"""Standing statistics are the plain mean over forwards."""

from collections import defaultdict

import numpy as np
import torch
from plain_numpy import array
from torch import nn

from dvdgan.models.generator import Generator
from dvdgan.models.standing import recompute_statistics


def test_the_mean_over_all_forwards_and_nothing_else_moves() -> None:
    generator = Generator(3, 32, frames=3, channels=1, latent_dim=8, class_dim=6).train()
    norms = {n: m for n, m in generator.named_modules() if isinstance(m, nn.BatchNorm2d)}
    batches = [(torch.randn(size, 8), torch.arange(size) % 3) for size in (4, 4, 4)]
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
        means = [x.mean(axis=(0, 2, 3)) for x in seen[name]]
        variances = [x.var(axis=(0, 2, 3), ddof=1) for x in seen[name]]
        np.testing.assert_allclose(array(norm.running_mean), np.mean(means, 0), atol=1e-5)
        np.testing.assert_allclose(array(norm.running_var), np.mean(variances, 0), rtol=1e-4)
    assert not generator.training
    assert not any(module.training for module in generator.modules())
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    for name, tensor in generator.state_dict().items():
        if not name.endswith(statistics):
            assert torch.equal(tensor, state[name]), name
