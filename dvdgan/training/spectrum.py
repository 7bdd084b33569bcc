"""The largest singular values of every spectrally normalised weight: BigGAN's sign of collapse.

Brock et al. 2018 (section 4) watched the three largest of each layer's weight: in G those of some
layers grow all through training and explode when it collapses, in D they grow with jumps.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from dvdgan.models.spectral import gram

Spectra = dict[str, list[float]]


@torch.no_grad()
def largest_singular_values(network: nn.Module, count: int = 3) -> Spectra:
    """The ``count`` largest singular values, descending, of each normalised layer, by its name.

    Those of the weight as it is learned, before the division by the first, seen as (out, -1) like
    the spectral norm sees it; fewer where the matrix has fewer. ``network``: not wrapped by DDP.
    Off by less than 1e-5 of themselves, or for values below a tenth of the layer's largest by less
    than 1e-3 of that one; NaN where the weight is not finite.
    Reads the weights and nothing else: no random number, no power iteration, no gradient.
    """
    found = {
        name: _of_matrix(weight.reshape(len(weight), -1), count)
        for name, weight in _learned_weights(network).items()
    }
    if not found:
        return {}
    # One wait for the device, not one a layer.
    flat = torch.cat(list(found.values())).tolist()
    values = iter(flat)
    return {name: [next(values) for _ in part] for name, part in found.items()}


def _learned_weights(network: nn.Module) -> dict[str, Tensor]:
    return {
        name: layer.parametrizations["weight"].original
        for name, layer in network.named_modules()
        if parametrize.is_parametrized(layer, "weight")
    }


def _of_matrix(matrix: Tensor, count: int) -> Tensor:
    """The ``count`` largest singular values of (rows, columns), descending, float64.

    The roots of the eigenvalues of the smaller Gram matrix. Power iteration on a block would cost
    a tenth, but near the orthogonal start, where all are alike, it needs hundreds of rounds.
    """
    product = gram(matrix)
    finite = product.isfinite().all()
    eigenvalues: Tensor = torch.linalg.eigvalsh(torch.where(finite, product, 0.0))
    return torch.where(finite, eigenvalues[-count:].flip(0).clamp(min=0).sqrt(), torch.nan)
