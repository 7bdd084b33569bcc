"""What G's activations are normalised over, and the affine that follows (paper A.2, App. C)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dvdgan.models import spectral
from dvdgan.models.architecture import Norm

EPSILON = 1e-5
MOMENTUM = 0.1
MOST_GROUPS = 32
HALF = (torch.float16, torch.bfloat16)


class PerStepBatchNorm(nn.Module):
    """Normalise each channel at each time step over batch, height and width, scale and shift it.

    Nothing is reduced over time, so no information can pass between frames here.
    x: (B, T, C, H, W) -> scale * n + shift of the same shape; n has mean 0 and variance 1 per
    (t, c) in training mode. scale, shift: of a shape that broadcasts to that of x.
    """

    def __init__(self, frames: int, channels: int) -> None:
        super().__init__()
        self.frames = frames
        # Its buffers hold the statistics, its kind says over which processes they are taken.
        self.norm = nn.BatchNorm2d(frames * channels, EPSILON, MOMENTUM, affine=False)

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        if not self.norm.training:
            return self._by_running_statistics(x, scale, shift)
        if type(self.norm) is nn.BatchNorm2d and not _has_a_faster_kernel(x):
            y, mean, variance = NormaliseSteps.apply(x, scale, shift)  # type: ignore[no-untyped-call]
            self._note(mean.flatten(), variance.flatten(), x.numel() // mean.numel())
            return y  # type: ignore[no-any-return]
        steps_as_channels: Tensor = self.norm(x.flatten(1, 2))
        return torch.addcmul(shift, steps_as_channels.view_as(x), scale)

    def _by_running_statistics(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        assert self.norm.running_mean is not None and self.norm.running_var is not None
        mean, variance = (
            each.view(1, self.frames, -1, 1, 1)
            for each in (self.norm.running_mean, self.norm.running_var)
        )
        factor = scale * torch.rsqrt(variance + EPSILON)
        rest = torch.addcmul(shift, mean, factor, value=-1)
        return torch.addcmul(rest.to(x.dtype), x, factor.to(x.dtype))

    @torch.no_grad()
    def _note(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics towards a batch's; variance: that of ``count`` values."""
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked += 1
        share = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
        norm.running_var.lerp_(variance.to(norm.running_var.dtype) * (count / (count - 1)), share)


def _has_a_faster_kernel(x: Tensor) -> bool:
    """On a GPU torch's own batch norm reads x fewer times, unless a compiler joins the passes.

    On the device "meta", where costs are counted, the answer is that of a GPU.
    """
    return (x.is_cuda or x.is_meta) and not torch.compiler.is_compiling()


class NormaliseSteps(torch.autograd.Function):
    """Batch statistics of every time step, and y = scale * (x - mean) / deviation + shift.

    torch's batch norm takes (B, T*C, H, W), for which features in the channels-last layout of the
    convolutions around it would be copied there and back. This keeps their layout, and its
    derivative includes that of scale and shift. x: (B, T, C, H, W) -> y, mean and biased variance
    (1, T, C, 1, 1), of which only y has a derivative. Half precision is normalised in single
    precision.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        count = x.numel() // (x.shape[1] * x.shape[2])
        full = x.float() if x.dtype in HALF else x
        mean = full.sum((3, 4), keepdim=True).sum(0, keepdim=True) / count
        centred = full - mean
        variance = centred.square().sum((3, 4), keepdim=True).sum(0, keepdim=True) / count
        inverse = torch.rsqrt(variance + EPSILON)
        ctx.save_for_backward(centred, inverse, scale)
        ctx.shift_shape, ctx.dtypes = shift.shape, (x.dtype, scale.dtype, shift.dtype)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(shift, centred, scale * inverse).to(x.dtype), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        centred, inverse, scale = ctx.saved_tensors
        count = centred.numel() // inverse.numel()
        gradient = gradient.to(centred.dtype)
        # Sums over the pixels of a frame, (B, T, C, 1, 1), from which all others follow.
        of_shift = gradient.sum((3, 4), keepdim=True)
        of_scale = (gradient * centred).sum((3, 4), keepdim=True) * inverse
        through_mean = (scale * of_shift).sum(0, keepdim=True) / count
        through_deviation = (scale * of_scale).sum(0, keepdim=True) / count
        of_x = torch.addcmul(
            -inverse * through_mean, centred, -inverse.square() * through_deviation
        )
        of_x.addcmul_(gradient, scale * inverse)
        x_dtype, scale_dtype, shift_dtype = ctx.dtypes
        return (
            of_x.to(x_dtype),
            of_scale.sum_to_size(scale.shape).to(scale_dtype),
            of_shift.sum_to_size(ctx.shift_shape).to(shift_dtype),
        )


class PerFrame(nn.Module):
    """A norm of images, on the frames of all clips as one batch, scaled and shifted.

    x, scale, shift: as PerStepBatchNorm.
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        frames: Tensor = self.norm(x.flatten(0, 1))
        return torch.addcmul(shift, frames.view_as(x), scale)


def groups(channels: int) -> int:
    """Wu & He's 32 groups, or the largest power of two below that divides ``channels``."""
    return math.gcd(channels, MOST_GROUPS)


# App. C's variants, by what their statistics are taken over. All without an affine of their own.
NORMS: dict[Norm, Callable[[int, int], nn.Module]] = {
    # batch, height and width of one time step
    "per_step_batch": PerStepBatchNorm,
    # batch, time, height and width: an early version, in which frames leak into each other
    "batch": lambda frames, channels: PerFrame(
        nn.BatchNorm2d(channels, EPSILON, MOMENTUM, affine=False)
    ),
    # a group of channels, height and width of one frame
    "group": lambda frames, channels: PerFrame(
        nn.GroupNorm(groups(channels), channels, EPSILON, affine=False)
    ),
    # all channels, height and width of one frame
    "layer": lambda frames, channels: PerFrame(nn.GroupNorm(1, channels, EPSILON, affine=False)),
    # height and width of one channel of one frame
    "instance": lambda frames, channels: PerFrame(
        nn.GroupNorm(channels, channels, EPSILON, affine=False)
    ),
    "none": lambda frames, channels: PerFrame(nn.Identity()),
}


class ConditionalNorm(nn.Module):
    """Normalise, then scale and shift as functions of noise and class.

    y = (1 + W_scale cond) * norm(x) + W_shift cond, both maps linear, without bias, spectrally
    normalised. x: (B, T, C, H, W); condition: (B, D), shared by all steps of a clip.
    """

    def __init__(self, norm: Norm, frames: int, channels: int, condition: int) -> None:
        super().__init__()
        self.norm = NORMS[norm](frames, channels)
        self.scale = spectral.linear(condition, channels, bias=False)
        self.shift = spectral.linear(condition, channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale = 1 + self.scale(condition)[:, None, :, None, None]
        shift = self.shift(condition)[:, None, :, None, None]
        y: Tensor = self.norm(x, scale, shift)
        return y


class OutputNorm(nn.Module):
    """The final norm: one learned scale and shift per channel, the same at every step.

    App. C: removing it is catastrophic. x: (B, T, C, H, W).
    """

    def __init__(self, norm: Norm, frames: int, channels: int) -> None:
        super().__init__()
        self.norm = NORMS[norm](frames, channels)
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(x, self.scale, self.shift)
        return y
