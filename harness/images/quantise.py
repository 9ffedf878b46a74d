"""From a model's range to bytes."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.errors import Diverged


def to_uint8(x: Tensor) -> Tensor:
    """Images in [-1, 1] to bytes: -1 is 0, 1 is 255, rounded to the nearest (halves up), clamped.

    x: (n, C, H, W), float. Bytes that became floats this way's inverse, u / 127.5 - 1, come back exactly.
    Raises: ValueError for another shape; harness.Diverged for values that are not finite.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"images are (n, 1 or 3, height, width), got {tuple(x.shape)}")
    bad = int((~torch.isfinite(x)).flatten(1).any(dim=1).sum())
    if bad:
        raise Diverged(f"{bad} of {len(x)} images have values that are not finite")
    return ((x.float() + 1) * 127.5 + 0.5).floor_().clamp_(0, 255).to(torch.uint8)
