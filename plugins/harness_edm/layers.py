"""Layers of the EDM networks, with the parameter names of the published files."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.toolkit.feature_maps import resample, smoothing_kernel
from harness.toolkit.unet_levels import Resample

Initialise = Callable[[Tensor, Tensor | None], None]
"""Fills a weight (outputs, inputs, *kernel) and its bias in place."""


def glorot(scale: float = 1.0) -> Initialise:
    """Draw weights uniformly from ±scale * sqrt(6 / (fan_in + fan_out)), and set biases to zero.

    A fan counts the pixels of the kernel. The variance of the weights is scale^2 * 2 / (fan_in + fan_out).
    Source: Glorot and Bengio 2010.
    """
    return _uniform(scale, lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out)), fills_bias=False)


def reciprocal(scale: float = 1.0) -> Initialise:
    """Draw weights and biases uniformly from ±scale / sqrt(fan_in)."""
    return _uniform(scale, lambda fan_in, _: fan_in**-0.5, fills_bias=True)


def standard_normal(weight: Tensor, bias: Tensor | None) -> None:
    """Draw weights from N(0, 1), and set biases to zero."""
    nn.init.normal_(weight)
    if bias is not None:
        nn.init.zeros_(bias)


def _uniform(scale: float, bound: Callable[[int, int], float], *, fills_bias: bool) -> Initialise:
    def initialise(weight: Tensor, bias: Tensor | None) -> None:
        fan_in = weight[0].numel()
        pixels = fan_in // weight.shape[1]
        limit = scale * bound(fan_in, weight.shape[0] * pixels)
        nn.init.uniform_(weight, -limit, limit)
        if bias is not None:
            extent = limit if fills_bias else 0.0
            nn.init.uniform_(bias, -extent, extent)

    return initialise


def linear(inputs: int, outputs: int, initialise: Initialise, *, bias: bool = True) -> nn.Linear:
    """Return a linear layer with its own initialisation."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():
        initialise(layer.weight, layer.bias)
    return layer


def norm(channels: int, eps: float) -> nn.GroupNorm:
    """Return a group normalisation over at most 32 groups of at least 4 channels each."""
    return nn.GroupNorm(min(32, channels // 4), channels, eps=eps)


class Conv(nn.Module):
    """A convolution with "same" zero padding that can also halve or double the resolution.

    Args:
        inputs, outputs: channels.
        kernel: 3, 1, or 0 for resampling alone, which has no weight.
        initialise: fills the weight and the bias.
        resample: whether the resolution is halved ("down") or doubled ("up"). Resampling comes before the convolution.
        taps: the smoothing filter of the resampling; its kernel is `resample_filter` in the state dict.
        is_fused: halve the resolution after the convolution instead. The convolution then pads by so much more that the
            smoothing needs no padding, which gives other numbers near the borders.
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
        fused_margin = self.margin if self.is_fused else 0
        if self.resample is not None and not self.is_fused:
            x = resample(x, self.get_buffer("resample_filter"), self.resample)
        if self.weight is None:
            return x
        x = functional.conv2d(x, self.weight, padding=self.kernel // 2 + fused_margin)
        if self.resample is not None and self.is_fused:
            x = resample(x, self.get_buffer("resample_filter"), self.resample, padding=0)
        return x if self.bias is None else x + self.bias.view(1, -1, 1, 1)


class PositionalEmbedding(nn.Module):
    """Cosines, then sines, of a number times frequencies 10000^(-i / n) for i = 0, 1, …, width / 2 - 1.

    Args:
        width: features, even.
        reaches_end: True for n = width / 2 - 1, with which the last frequency is 1 / 10000; False for n = width / 2.
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
    """Cosines, then sines, of 2 pi f times a number. The frequencies f are drawn once from N(0, 16^2) and kept as `freqs`.

    Source: Tancik et al. 2020; Song et al. 2021.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("freqs", 16 * torch.randn(width // 2))

    def forward(self, number: Tensor) -> Tensor:
        """(B,) -> (B, width)."""
        # Angles reach hundreds of radians, where float32 has four digits after the point: another order of the three factors
        # would show in the sines.
        angles = torch.outer(number, (2 * math.pi * self.get_buffer("freqs")).to(number.dtype))
        return torch.cat([angles.cos(), angles.sin()], dim=1)
