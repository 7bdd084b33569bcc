"""The recurrence that turns one conditioning tensor into T time steps (paper A.2, Fig. 3)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from dvdgan.models import spectral

UPDATE_BIAS = 1.0


class MultiplicativeConvGRU(nn.Module):
    """Multiplicative convolutional GRU, one layer, started at h_0 = 0.

    g_t = (W_gh *1 h_{t-1} + b_gh) . (W_gx *1 x_t + b_gx)
    r   = sigmoid(W_r *3 [g_t; x_t] + b_r)
    u   = sigmoid(W_u *3 [g_t; x_t] + b_u)
    c   = relu(W_c *3 [x_t; r . g_t] + b_c)
    h_t = u . g_t + (1 - u) . c

    The input is the same at every step: x (B, C, H, W) -> h_1 .. h_T (B, T, C, H, W).
    """

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.gate_hidden = spectral.conv2d(channels, channels, 1)  # W_gh, b_gh
        self.gate_input = spectral.conv2d(channels, channels, 1)  # W_gx, b_gx
        self.reset = spectral.conv2d(2 * channels, channels, 3)
        self.update = spectral.conv2d(2 * channels, channels, 3)
        self.candidate = spectral.conv2d(2 * channels, channels, 3)
        # With zero biases, or b_gh alone at 1, the state settles in two steps and all frames are
        # equal: b_gh = 1 lets the first g through h_0 = 0, b_gx = 1 keeps g near W_gh h, which
        # turns the state without shrinking it, and b_u holds on to it (docs/decisions.md).
        for layer, bias in (
            (self.gate_hidden, 1.0),
            (self.gate_input, 1.0),
            (self.update, UPDATE_BIAS),
            (self.reset, 0.0),
            (self.candidate, 0.0),
        ):
            assert layer.bias is not None
            nn.init.constant_(layer.bias, bias)

    def forward(self, x: Tensor) -> Tensor:
        # Each read of a normalised weight in training runs a power iteration and gives another
        # weight: read once, so that all T steps share it.
        hidden_weight = self.gate_hidden.weight
        reset_weight, update_weight = self.reset.weight, self.update.weight
        candidate_weight = self.candidate.weight
        gate_of_x = self.gate_input(x)
        h = torch.zeros_like(x)
        states = []
        for _ in range(self.frames):
            g = conv2d(h, hidden_weight, self.gate_hidden.bias) * gate_of_x
            g_and_x = torch.cat([g, x], dim=1)
            r = torch.sigmoid(conv2d(g_and_x, reset_weight, self.reset.bias, padding=1))
            u = torch.sigmoid(conv2d(g_and_x, update_weight, self.update.bias, padding=1))
            x_and_rg = torch.cat([x, r * g], dim=1)
            c = torch.relu(conv2d(x_and_rg, candidate_weight, self.candidate.bias, padding=1))
            h = u * g + (1 - u) * c
            states.append(h)
        return torch.stack(states, dim=1)
