"""Standing statistics: batch-norm statistics for sampling, recomputed from many latents.

Paper A.3 samples from averaged weights, whose batch statistics no training step has computed. As in
BigGAN they are the mean over training-mode forwards on untruncated latents. The power iterations of
spectral normalisation are converged for the averaged weights, too.
"""

from collections.abc import Iterable

import torch
from torch import nn

from dvdgan.models.generator import Generator, GeneratorInputs
from dvdgan.models.spectral import converge


@torch.no_grad()
def recompute_statistics(generator: Generator, batches: Iterable[GeneratorInputs]) -> None:
    """Converge the spectral norms, then average batch statistics over ``batches``, in place.

    Each forward sets the mean and variance of every batch norm; the average over all forwards
    stays. Leaves the generator in eval mode.
    """
    converge(generator)
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
