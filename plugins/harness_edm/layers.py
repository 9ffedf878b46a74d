"""Layers of the EDM networks, with the parameter names of the published files."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Initialise = Callable[[Tensor, Tensor | None], None]
"""Fills a weight (outputs, inputs, *kernel) and its bias in place."""

Resample = Literal["up", "down"]


def glorot(scale: float = 1.0) -> Initialise:
    """Weights uniform in ±scale * sqrt(6 / (fan_in + fan_out)), fans counting the kernel's area; no bias."""
    return _uniform(scale, lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out)), fills_bias=False)


def reciprocal(scale: float = 1.0) -> Initialise:
    """Weights and biases uniform in ±scale / sqrt(fan_in)."""
    return _uniform(scale, lambda fan_in, _: fan_in**-0.5, fills_bias=True)


def standard_normal(weight: Tensor, bias: Tensor | None) -> None:
    """Weights from N(0, 1); no bias."""
    nn.init.normal_(weight)
    if bias is not None:
        nn.init.zeros_(bias)


def _uniform(scale: float, bound: Callable[[int, int], float], *, fills_bias: bool) -> Initialise:
    def initialise(weight: Tensor, bias: Tensor | None) -> None:
        fan_out, fan_in = weight.shape[0], weight[0].numel()
        limit = scale * bound(fan_in, fan_out * (fan_in // weight.shape[1]))
        nn.init.uniform_(weight, -limit, limit)
        if bias is not None:
            extent = limit if fills_bias else 0.0
            nn.init.uniform_(bias, -extent, extent)

    return initialise


def linear(inputs: int, outputs: int, initialise: Initialise, *, bias: bool = True) -> nn.Linear:
    """A linear layer with its own initialisation."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():
        initialise(layer.weight, layer.bias)
    return layer


def norm(channels: int, eps: float) -> nn.GroupNorm:
    """Group normalisation over at most 32 groups of at least 4 channels."""
    return nn.GroupNorm(min(32, channels // 4), channels, eps=eps)


def smoothing_kernel(taps: Sequence[float]) -> Tensor:
    """The normalised outer product of a filter with itself, (1, 1, k, k), float32. [1, 1] averages 2×2 pixels."""
    line = torch.tensor(taps, dtype=torch.float32)
    return (torch.outer(line, line) / line.sum() ** 2)[None, None]


class Conv(nn.Module):
    """A convolution with "same" zero padding that can also halve or double the resolution.

    Args:
        inputs, outputs: channels. kernel: 3, 1, or 0 for resampling alone, which has no weight.
        resample: where it halves, smoothing comes first and so does doubling; see `is_fused`.
        taps: the smoothing filter, kept in the state dict as `resample_filter` where there is resampling.
        is_fused: halve after the convolution instead, which then pads by more; it differs at the borders.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        initialise: Initialise,
        *,
        resample: Resample | None = None,
        taps: Sequence[float] = (1, 1),
        is_fused: bool = False,
    ) -> None:
        super().__init__()
        self.kernel, self.resample, self.is_fused = kernel, resample, is_fused
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel)) if kernel else None
        self.bias = nn.Parameter(torch.empty(outputs)) if kernel else None
        if self.weight is not None:
            with torch.no_grad():
                initialise(self.weight, self.bias)
        self.register_buffer("resample_filter", smoothing_kernel(taps) if resample else None)
        self.margin = (len(taps) - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H', W')."""
        if self.resample is not None and self.is_fused:
            x = functional.conv2d(x, self.weight, padding=self.kernel // 2 + self.margin)  # type: ignore[arg-type]
            x = self._smooth(x, padding=0)
        else:
            if self.resample is not None:
                x = self._smooth(x, padding=self.margin)
            if self.weight is None:
                return x
            x = functional.conv2d(x, self.weight, padding=self.kernel // 2)
        return x if self.bias is None else x + self.bias.view(1, -1, 1, 1)

    def _smooth(self, x: Tensor, *, padding: int) -> Tensor:
        channels = x.shape[1]
        taps = self.get_buffer("resample_filter").to(x.dtype).expand(channels, 1, -1, -1)
        if self.resample == "down":
            return functional.conv2d(x, taps, stride=2, padding=padding, groups=channels)
        return functional.conv_transpose2d(x, 4 * taps, stride=2, padding=padding, groups=channels)


class PositionalEmbedding(nn.Module):
    """[cos, sin] of a number times frequencies that fall geometrically from 1 towards 1 / 10000.

    Args:
        width: features, even.
        reaches_end: whether the last frequency is 1 / 10000 itself, or the one that would come before it.
    """

    def __init__(self, width: int, *, reaches_end: bool) -> None:
        super().__init__()
        self.width, self.intervals = width, width // 2 - int(reaches_end)

    def forward(self, number: Tensor) -> Tensor:
        """(B,) -> (B, width)."""
        index = torch.arange(self.width // 2, dtype=torch.float32, device=number.device)
        angles = torch.outer(number, (1 / 10000) ** (index / self.intervals))
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class FourierEmbedding(nn.Module):
    """[cos, sin] of a number times random frequencies of standard deviation 16 turns, drawn once and kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("freqs", 16 * torch.randn(width // 2))

    def forward(self, number: Tensor) -> Tensor:
        """(B,) -> (B, width)."""
        # Angles reach hundreds of radians, so the order of the products shows in the sines.
        angles = torch.outer(number, (2 * math.pi * self.get_buffer("freqs")).to(number.dtype))
        return torch.cat([angles.cos(), angles.sin()], dim=1)
