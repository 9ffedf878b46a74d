"""Magnitude-preserving operations: each gives outputs of unit variance for independent inputs of unit variance.

A network built of nothing else keeps the size of its activations and of its updates under control over the whole training.
Equation numbers are those of Karras et al. 2024 (EDM2, arXiv 2312.02696).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

EPS = 1e-4
"""Keeps `normalise` finite. EPS is so large that it is part of the function which the published networks compute."""

SILU_RMS = 0.596
"""Root mean square of SiLU of a standard normal, sqrt(E[silu(x)^2]), to the paper's three digits."""


def normalise(x: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """Divide x by its root mean square along some dimensions, so that the result has mean square 1 along them.

    Args:
        dims: the dimensions; by default all but the first.
    Returns: x / (EPS + |x| / sqrt(n)) with n numbers along `dims`, in the precision of x. The norm is taken in float32.
    The published networks normalise activations over their channels by it (pixel norm), and each row of weights.
    """
    dims = list(range(1, x.dim())) if dims is None else list(dims)
    length = torch.linalg.vector_norm(x, dim=dims, keepdim=True, dtype=torch.float32)
    rms = length * math.sqrt(length.numel() / x.numel())  # one length for every n numbers of x
    return x / (EPS + rms).to(x.dtype)


def silu(x: Tensor) -> Tensor:
    """SiLU(x) / SILU_RMS, whose mean square is 1 for a standard normal x (Eq. 81)."""
    return functional.silu(x) / SILU_RMS


def weighted_sum(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """((1 - t) a + t b) / sqrt((1 - t)^2 + t^2) with t = `weight` (Eq. 88).

    The variance of (1 - t) a + t b is (1 - t)^2 + t^2 for independent a and b of unit variance.
    """
    return torch.lerp(a, b, weight) / math.hypot(1 - weight, weight)


def concatenate(a: Tensor, b: Tensor, weight: float) -> Tensor:
    """Put w_a a and w_b b beside each other along the channels (Eq. 103).

    With t = `weight` and N_a, N_b channels,

        w_a = C (1 - t) / sqrt(N_a),   w_b = C t / sqrt(N_b),   C = sqrt((N_a + N_b) / ((1 - t)^2 + t^2)).

    Without the weights the part with more channels would contribute more to the next layer; with them the contributions of
    a and b are as (1 - t) to t, whatever their widths are. C makes the mean square of all channels together 1.
    """
    n_a, n_b = a.shape[1], b.shape[1]
    c = math.sqrt((n_a + n_b) / ((1 - weight) ** 2 + weight**2))
    return torch.cat([a * (c * (1 - weight) / math.sqrt(n_a)), b * (c * weight / math.sqrt(n_b))], dim=1)


class Fourier(nn.Module):
    """sqrt(2) cos(2 pi (f x + p)) of a number x (Eq. 75), where f ~ N(0, 1) and p ~ U[0, 1) are drawn once and kept.

    A cosine at a uniform phase has mean square 1/2, so the factor sqrt(2) gives unit variance at every x. The state dict has
    2 pi f as `freqs` and 2 pi p as `phases`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("freqs", 2 * math.pi * torch.randn(width))
        self.register_buffer("phases", 2 * math.pi * torch.rand(width))

    def forward(self, number: Tensor) -> Tensor:
        """(B,) -> (B, width)."""
        angles = torch.outer(number.float(), self.get_buffer("freqs").float()) + self.get_buffer("phases").float()
        return math.sqrt(2) * angles.cos()


class Weight(nn.Module):
    """A convolution or linear layer without bias, of which only the direction of each row of weights is learned (Eq. 47).

    The layer applies w / |w| to its input, so that unit variance goes in and comes out whatever the length of w is. In train
    mode the stored w is brought to the length sqrt(n), with n numbers in a row, before each use (forced weight normalisation,
    Eq. 66). Otherwise w would grow with each step, because a gradient is orthogonal to w, and the same learning rate would
    turn the direction ever more slowly.

    Args:
        inputs, outputs: features.
        kernel: pixels a side of the kernel; None for a linear layer.
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
        # A copy, since a second call before the backward pass, as in DDO, would overwrite what the graph of the first keeps.
        # The second normalisation is differentiated: it takes out the part of the gradient along w, which changes nothing.
        weight = normalise((self.weight.clone() if self.training else self.weight).float())
        # `normalise` gives each row the length sqrt(n), and the layer needs the length 1.
        weight = (weight * (gain / math.sqrt(weight[0].numel()))).to(x.dtype)
        if weight.dim() == 2:
            return functional.linear(x, weight)
        return functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
