"""Magnitude-preserving operations: each keeps activations of unit variance at unit variance.

Source: Karras et al. 2024 (EDM2), section 2 and appendix B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

EPS = 1e-4
"""Keeps `normalise` finite. It is large enough to be part of the published networks' function."""

Resample = Literal["up", "down"]


def normalise(x: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """x over its root mean square along `dims` (all but the first by default), with EPS added to that."""
    dims = list(range(1, x.dim())) if dims is None else list(dims)
    length = torch.linalg.vector_norm(x, dim=dims, keepdim=True, dtype=torch.float32)
    rms = length * math.sqrt(length.numel() / x.numel())
    return x / (EPS + rms).to(x.dtype)


def silu(x: Tensor) -> Tensor:
    """SiLU over the standard deviation, 0.596, that it gives a standard normal."""
    return functional.silu(x) / 0.596


def weighted_sum(a: Tensor, b: Tensor, share: float) -> Tensor:
    """(1 - share) a + share b, of unit variance where a and b are independent and have it."""
    return torch.lerp(a, b, share) / math.hypot(1 - share, share)


def concatenate(a: Tensor, b: Tensor, share: float) -> Tensor:
    """a and b side by side along the channels, at unit variance, b with `share` of the weight of both."""
    na, nb = a.shape[1], b.shape[1]
    whole = math.sqrt((na + nb) / ((1 - share) ** 2 + share**2))
    return torch.cat([a * (whole * (1 - share) / math.sqrt(na)), b * (whole * share / math.sqrt(nb))], dim=1)


def resample(x: Tensor, taps: Sequence[float], way: Resample | None) -> Tensor:
    """x at twice or half the resolution, smoothed by the filter's outer product with itself, or as it is."""
    if way is None:
        return x
    line = torch.tensor(taps, dtype=torch.float32)
    kernel = (torch.outer(line, line) / line.sum() ** 2).to(x).expand(x.shape[1], 1, -1, -1)
    margin = (len(taps) - 1) // 2
    if way == "down":
        return functional.conv2d(x, kernel, stride=2, padding=margin, groups=x.shape[1])
    return functional.conv_transpose2d(x, 4 * kernel, stride=2, padding=margin, groups=x.shape[1])


class Fourier(nn.Module):
    """Cosines of a number at random frequencies and phases, drawn once and kept; of unit variance."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("freqs", 2 * math.pi * torch.randn(width))
        self.register_buffer("phases", 2 * math.pi * torch.rand(width))

    def forward(self, number: Tensor) -> Tensor:
        """(B,) -> (B, width)."""
        angles = torch.outer(number.float(), self.get_buffer("freqs").float()) + self.get_buffer("phases").float()
        return math.sqrt(2) * angles.cos()


class Weight(nn.Module):
    """A convolution or linear layer whose weights have unit length: only their direction is learned; it has no bias.

    In training the stored parameter is brought to unit length before each use (forced weight normalisation), so that
    the effective learning rate cannot drift with its growth.

    Args:
        inputs, outputs: features. kernel: size of a square kernel; none for a linear layer.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int | None = None) -> None:
        super().__init__()
        area = () if kernel is None else (kernel, kernel)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *area))

    def forward(self, x: Tensor, gain: Tensor | float = 1.0) -> Tensor:
        """(B, inputs, …) -> (B, outputs, …), times `gain`."""
        if self.training:
            with torch.no_grad():
                self.weight.copy_(normalise(self.weight.detach()))
        # Cloned, since a second call before the backward pass, as in DDO, would change what the first's graph keeps.
        # Normalised once more, so that the gradient has no part along the weight, which the length would undo anyway.
        weight = normalise((self.weight.clone() if self.training else self.weight).float())
        weight = (weight * (gain / math.sqrt(weight[0].numel()))).to(x.dtype)
        if weight.dim() == 2:
            return functional.linear(x, weight)
        return functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
