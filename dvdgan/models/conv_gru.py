"""The recurrence that turns one conditioning tensor into T time steps (paper A.2, Fig. 3)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from dvdgan.models import spectral


def in_autocast(weight: Tensor) -> Tensor:
    """``weight`` as convolutions inside autocast take it: cast once, not at every step."""
    kind = weight.device.type
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return weight
    return weight.to(torch.get_autocast_dtype(kind))


class ConvGRU(nn.Module):
    """Convolutional GRU, one layer: the paper's choice for 48 frames.

    g   = h_{t-1}
    r   = sigmoid(W_r *3 [g; x_t] + b_r)
    u   = sigmoid(W_u *3 [g; x_t] + b_u)
    c   = relu(W_c *3 [x_t; r . g] + b_c)
    h_t = u . g + (1 - u) . c

    The input is the same at every step: x (B, C, H, W) -> h_1 .. h_T (B, T, C, H, W). ``state``:
    h_0 (B, C, H, W); None: zeros.
    """

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.reset = spectral.conv2d(2 * channels, channels, 3)
        self.update = spectral.conv2d(2 * channels, channels, 3)
        self.candidate = spectral.conv2d(2 * channels, channels, 3)
        spectral.fill_bias(self.reset, 0.0)
        spectral.fill_bias(self.candidate, 0.0)
        # x is the same at every step, so the state runs towards a fixed point. Chrono
        # initialisation (Tallec & Ollivier 2018) gives the channels memories of 1 to T-1 steps, so
        # that the last frames still differ (docs/decisions.md).
        assert self.update.bias is not None
        memories = torch.linspace(1, max(frames - 1, 1), channels, device="cpu")
        with torch.no_grad():
            self.update.bias.copy_(memories.log())

    def forward(self, x: Tensor, state: Tensor | None = None) -> Tensor:
        C = x.shape[1]
        # Each read of a normalised weight in training runs a power iteration and gives another
        # weight: read once, so that all T steps share it.
        reset, update, candidate = (
            in_autocast(layer.weight) for layer in (self.reset, self.update, self.candidate)
        )
        # W * [g; x] = W_g * g + W_x * x, and the second term is the same at every step.
        of_g = torch.cat([reset[:, :C], update[:, :C]])
        of_x = torch.cat([reset[:, C:], update[:, C:], candidate[:, :C]])
        of_rg = candidate[:, C:]
        biases = (self.reset.bias, self.update.bias, self.candidate.bias)
        x_terms = conv2d(x, of_x, torch.cat(biases), padding=1)  # type: ignore[arg-type]
        x_of_gates, x_of_c = x_terms[:, : 2 * C], x_terms[:, 2 * C :]
        gate = self.gate(x)
        h = torch.zeros_like(x) if state is None else state
        states = []
        for _ in range(self.frames):
            g = gate(h)
            r, u = torch.sigmoid(conv2d(g, of_g, padding=1) + x_of_gates).chunk(2, dim=1)
            c = torch.relu(conv2d(r * g, of_rg, padding=1) + x_of_c)
            h = torch.lerp(c, g, u)  # u . g + (1 - u) . c
            states.append(h)
        return torch.stack(states, dim=1)

    def gate(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """h_{t-1} -> g, for this x."""
        return lambda h: h


class MultiplicativeConvGRU(ConvGRU):
    """Multiplicative convolutional GRU: the paper's choice for fewer than 48 frames.

    As ConvGRU, with g = (W_gh *1 h_{t-1} + b_gh) . (W_gx *1 x_t + b_gx).
    """

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__(channels, frames)
        self.gate_hidden = spectral.conv2d(channels, channels, 1)  # W_gh, b_gh
        self.gate_input = spectral.conv2d(channels, channels, 1)  # W_gx, b_gx
        # With zero biases, or b_gh alone at 1, the state settles in two steps and all frames are
        # equal: b_gh = 1 lets the first g through h_0 = 0, b_gx = 1 keeps g near W_gh h, which
        # turns the state without shrinking it, and b_u holds on to it (docs/decisions.md).
        spectral.fill_bias(self.gate_hidden, 1.0)
        spectral.fill_bias(self.gate_input, 1.0)
        spectral.fill_bias(self.update, 1.0)

    def gate(self, x: Tensor) -> Callable[[Tensor], Tensor]:
        """h_{t-1} -> g, for this x."""
        weight, bias = in_autocast(self.gate_hidden.weight), self.gate_hidden.bias
        of_x = self.gate_input(x)
        return lambda h: conv2d(h, weight, bias) * of_x
