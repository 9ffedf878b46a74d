"""Operations on feature maps, (B, C, H, W), that EDM's and EDM2's networks share: smooth resampling and self-attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


def smoothing_kernel(taps: Sequence[float]) -> Tensor:
    """The kernel K = f f^T / (sum f)^2 of a one-dimensional filter f, (1, 1, k, k), float32. [1, 1] averages 2×2 pixels."""
    line = torch.tensor(taps, dtype=torch.float32)
    return (torch.outer(line, line) / line.sum() ** 2)[None, None]


def resample(x: Tensor, kernel: Tensor, way: Literal["up", "down"], *, padding: int | None = None) -> Tensor:
    """Smooth each channel and halve the resolution, or double the resolution and smooth each channel.

    Args:
        kernel: a `smoothing_kernel`, (1, 1, k, k).
        padding: zeros at each border; by default (k - 1) // 2, with which the result has exactly half or twice the size.
    """
    channels, size = x.shape[1], kernel.shape[-1]
    kernel = kernel.to(x).expand(channels, 1, -1, -1)
    padding = (size - 1) // 2 if padding is None else padding
    if way == "down":
        return functional.conv2d(x, kernel, stride=2, padding=padding, groups=channels)
    # Only one pixel in four of the doubled image is not zero before the smoothing, so the kernel's sum must be four.
    return functional.conv_transpose2d(x, 4 * kernel, stride=2, padding=padding, groups=channels)


def self_attention(projected: Tensor, heads: int, prepare: Callable[[Tensor], Tensor] = lambda parts: parts) -> Tensor:
    """Let the pixels of each image attend to one another: softmax(q^T k / sqrt(d)) v in each head, with d channels a head.

    Args:
        projected: (B, 3 C, H, W), queries, keys and values. Published weights have the three of a channel side by side, and
            the channels grouped by head.
        prepare: applied to (B, heads, d, 3, H * W), the same numbers by axis, before the products.
    Returns: (B, C, H, W).
    """
    batch, channels, height, width = projected.shape
    parts = prepare(projected.view(batch, heads, channels // (3 * heads), 3, height * width))
    query, key, value = (part.transpose(2, 3) for part in parts.unbind(3))
    mixed = functional.scaled_dot_product_attention(query, key, value)
    return mixed.transpose(2, 3).reshape(batch, channels // 3, height, width)
