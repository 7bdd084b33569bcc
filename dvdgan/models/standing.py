"""Standing statistics: batch-norm statistics for sampling, recomputed from many latents.

Paper A.3 samples from averaged weights, whose batch statistics no training step ever saw; as
BigGAN does, they are the mean over training-mode forwards on untruncated latents.
"""

from collections.abc import Iterable

import torch
from torch import nn

from dvdgan.models.generator import Generator, GeneratorInputs


@torch.no_grad()
def recompute_statistics(generator: Generator, batches: Iterable[GeneratorInputs]) -> None:
    """Set every batch norm's mean and variance to their average over ``batches``, in place.

    Leaves the generator in eval mode; the power iterations do not move.
    """
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    generator.eval()
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over all forwards
        norm.train()
    for inputs in batches:
        generator(*inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
