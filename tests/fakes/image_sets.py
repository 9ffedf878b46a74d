"""Sets of images that are in memory already."""

from __future__ import annotations

from torch import Tensor

from harness.images.sets import ImageSet


def image_set(pixels: Tensor, name: str = "the images") -> ImageSet:
    """Return the set of the images in a tensor (n, C, H, W) uint8."""
    return ImageSet(name, len(pixels), tuple(pixels.shape[1:]), lambda size: iter(pixels.split(size)))
