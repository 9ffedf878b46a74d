"""Samples as real images are stored: within their range, and on their grey levels."""

from __future__ import annotations

from dataclasses import replace

import torch

from harness.errors import Diverged
from harness.interfaces import Batch


def on_grey_levels(batch: Batch, levels: int = 256) -> Batch:
    """Return a batch whose images are clipped to [-1, 1] and rounded to the nearest of so many even levels, halves up.

    Real images are stored as bytes, and metrics see bytes. A sampler gives floats, some of them outside of [-1, 1], so that a
    network which tells real from generated images may go by that alone. With 256 levels the images are those that
    an image file of 8 bits gives back.

    Args:
        batch: `x` (n, …) floats.
        levels: 2 to 256; 256 for bytes, 17 for scikit-learn's digits, whose pixels are 0 to 16.
    Returns: the batch with `x` float32 in [-1, 1]; all else as it was. Raises: harness.Diverged for values that are not finite.
    """
    diverged = int((~torch.isfinite(batch.x)).flatten(1).any(dim=1).sum())
    if diverged:
        raise Diverged(f"{diverged} of {len(batch)} samples have values that are not finite")
    half = (levels - 1) / 2
    return replace(batch, x=((batch.x.float() + 1) * half + 0.5).floor_().clamp_(0, levels - 1) / half - 1)
