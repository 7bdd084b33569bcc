"""Weight layers as the paper has them: orthogonal at the start, spectrally normalised ever after.

Paper A.3: spectral normalisation (Miyato et al. 2018) on all weight layers of G and D, the first
singular value approximated by power iteration (one per training forward), orthogonal initialisation
(Saxe et al. 2013). The one exception is G's class embedding, a plain nn.Embedding.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm

Layer = TypeVar("Layer", bound=nn.Module)

EPSILON = 1e-6
# Rows of a Gram matrix up to which all its eigenvectors cost less than an iteration for the first.
EXACT = 256


def normalised(layer: Layer) -> Layer:
    """Initialise ``layer.weight`` orthogonally and divide it by its first singular value.

    Reading ``layer.weight`` in training mode runs one power iteration, so a layer used several
    times in one forward (the recurrence) must read it once.
    """
    nn.init.orthogonal_(layer.weight)  # type: ignore[arg-type]
    weight = layer.weight
    assert isinstance(weight, Tensor)
    parametrize.register_parametrization(layer, "weight", _FullPrecision(weight, eps=EPSILON))
    return layer


class _FullPrecision(_SpectralNorm):
    """torch's spectral norm, with the same buffers and fewer operations.

    In the weight's own precision also inside autocast, where a GPU would run the power iteration
    in half precision.
    """

    def forward(self, weight: Tensor) -> Tensor:
        if weight.is_meta and not torch.is_grad_enabled():
            return weight  # of a network that is made without values
        kind = weight.device.type
        known = torch.amp.is_autocast_available(kind)  # not on "meta", where networks are counted
        with torch.autocast(kind, enabled=False) if known else nullcontext():
            left, right, sigma = self._first(weight.detach().flatten(1))
            divided: Tensor = DivideBySigma.apply(weight, left, right, sigma)  # type: ignore[no-untyped-call]
            return divided

    def _power_method(self, weight_mat: Tensor, n_power_iterations: int) -> None:
        """Called when a layer is made, whose orthogonal weights have equal singular values: further
        iterations would change nothing."""
        super()._power_method(weight_mat, 1)

    @torch.no_grad()
    def _first(self, matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The first singular vectors and value as known, in training after one more iteration."""
        if not self.training:
            # Copies, since later iterations change the buffers before a backward pass needs them.
            left, right = self._u.clone(), self._v.clone()
            return left, right, left.dot(matrix.mv(right))
        if torch.compiler.is_compiling():
            # The backward pass of compiled code may repeat a product with a vector, from the
            # buffer that has changed by then; it never repeats a product of matrices.
            moved = (matrix @ self._v[:, None]).flatten()
        else:
            moved = matrix.mv(self._v)
        left = normalize(moved, dim=0, eps=self.eps)
        image = matrix.T.mv(left)
        sigma = torch.linalg.vector_norm(image)  # left . matrix right, with the new right vector
        right = image / sigma.clamp_min(self.eps)
        self._u.copy_(left)
        self._v.copy_(right)
        return left, right, sigma


class DivideBySigma(torch.autograd.Function):
    """W / sigma for sigma = u^T W v with constant u and v; weight: (out, ...), u: (out,), v: (in,).

    The derivative by Miyato et al. 2018, equation 9: (G - <G, W / sigma> u v^T) / sigma.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, u: Tensor, v: Tensor, sigma: Tensor) -> Tensor:
        ctx.save_for_backward(weight, u, v, sigma)
        return weight / sigma

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        weight, u, v, sigma = ctx.saved_tensors
        along = (gradient * weight).sum() / sigma.square()
        of_weight = (gradient / sigma).reshape(len(u), -1)
        return of_weight.addr_(u * -along, v).view_as(weight), None, None, None


@contextmanager
def no_power_iteration(network: nn.Module) -> Iterator[None]:
    """Inside, reading a weight of ``network`` runs no power iteration.

    So that the parts of one accumulated update all see the same weights.
    """
    norms = [module for module in network.modules() if isinstance(module, _SpectralNorm)]
    were = [norm.training for norm in norms]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm, training in zip(norms, were, strict=True):
            norm.train(training)


@torch.no_grad()
def converge(network: nn.Module) -> None:
    """Set every power iteration's vectors to the leading singular vectors of its own weight.

    One iteration a step follows weights that move slowly; an average of weights has vectors of its
    own. Afterwards the largest singular value of each normalised weight is 1 within 1e-4. Needs
    no global random state. A weight that is not finite keeps its vectors. The paper's generator
    takes 7 s of one CPU core at 64 x 64 and about 100 s at 128 x 128.
    """
    for stored in network.modules():
        if isinstance(stored, parametrize.ParametrizationList):
            norm, weight = stored[0], stored.original
            assert isinstance(norm, _SpectralNorm) and isinstance(weight, Tensor)
            _set_leading(norm, weight.reshape(len(weight), -1))


def _set_leading(norm: _SpectralNorm, matrix: Tensor) -> None:
    product = gram(matrix)
    if not product.isfinite().all():
        return
    leading = _leading_eigenvector(product).to(matrix.dtype)
    right = matrix.T @ leading if len(leading) == len(matrix) else leading
    norm._v.copy_(normalize(right, dim=0))
    norm._u.copy_(normalize(matrix @ norm._v, dim=0))


def _leading_eigenvector(product: Tensor) -> Tensor:
    size = len(product)
    if size <= EXACT:
        exact: Tensor = torch.linalg.eigh(product).eigenvectors[:, -1]
        return exact
    # Not the vector at hand: where it belongs to another singular value nothing would move it.
    start = torch.randn(size, 1, generator=torch.Generator().manual_seed(0)).to(product)
    _, vectors = torch.lobpcg(product, k=1, X=start, niter=100, tol=1e-4, largest=True)
    return vectors[:, 0]


def gram(matrix: Tensor) -> Tensor:
    """The smaller Gram matrix of ``matrix`` (rows, columns), float64: its singular values squared.

    The product, which takes most of the time, is made in the matrix's own precision.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    return (wide @ wide.T).double()


def conv2d(channels_in: int, channels_out: int, kernel: int, bias: bool = True) -> nn.Conv2d:
    """Spectrally normalised 2-D convolution that keeps height and width."""
    return normalised(nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=bias))


def conv3d(channels_in: int, channels_out: int, kernel: int) -> nn.Conv3d:
    """Spectrally normalised 3-D convolution that keeps time, height and width."""
    return normalised(nn.Conv3d(channels_in, channels_out, kernel, padding=kernel // 2))


def linear(features_in: int, features_out: int, bias: bool = True) -> nn.Linear:
    """Spectrally normalised affine map."""
    return normalised(nn.Linear(features_in, features_out, bias=bias))


def embedding(entries: int, features: int) -> nn.Embedding:
    """Spectrally normalised table of vectors (D's projection)."""
    return normalised(nn.Embedding(entries, features))


def fill_bias(layer: nn.Conv2d, value: float) -> None:
    """Start every bias of ``layer`` at ``value``."""
    assert layer.bias is not None
    nn.init.constant_(layer.bias, value)


def bake(network: nn.Module) -> None:
    """Replace every normalised weight of ``network`` by its present value, in place.

    Afterwards the network is made of plain layers. Not for a deep copy: removing the
    parametrisation of a copy damages its original.
    """
    network.eval()  # so that reading the weight runs no power iteration
    for module in list(network.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
