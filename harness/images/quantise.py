"""Rounding of images from a model's range, [-1, 1], to bytes, and back."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.errors import Diverged


def to_uint8(x: Tensor) -> Tensor:
    """Return images in [-1, 1] as bytes: clamp(floor(127.5 * (x + 1) + 0.5), 0, 255), so that -1 is 0 and 1 is 255.

    Values are rounded to the nearest byte, halves up. A byte u that was mapped to the float u / 127.5 - 1 comes back exactly.

    Args:
        x: (n, C, H, W) floats, with 1 or 3 channels.
    Returns: (n, C, H, W) uint8. Raises: ValueError for another shape; harness.Diverged for values that are not finite.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"images are (n, 1 or 3, height, width), got {tuple(x.shape)}")
    diverged = int((~torch.isfinite(x)).flatten(1).any(dim=1).sum())
    if diverged:
        raise Diverged(f"{diverged} of {len(x)} images have values that are not finite")
    return ((x.float() + 1) * 127.5 + 0.5).floor_().clamp_(0, 255).to(torch.uint8)


def as_uint8(x: Tensor) -> Tensor:
    """Return images as bytes: bytes as they are, and floats in [-1, 1] by `to_uint8`."""
    return x if x.dtype == torch.uint8 else to_uint8(x.to(torch.float32))


def to_floats(x: Tensor) -> Tensor:
    """Return bytes as floats in [-1, 1], float32, from which `to_uint8` gives the same bytes; floats as they are."""
    return x.float() / 127.5 - 1 if x.dtype == torch.uint8 else x
