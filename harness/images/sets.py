"""Sets of images of one size. They are read batch by batch, so that a set of any length, from any source, fits the memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from harness.images.quantise import as_uint8

LARGEST_BATCH = 200_000_000
"""Bytes of the largest batch that a reader of files makes: 250 images of 512x512 in colour have a little less. Of larger images,
a batch has fewer than was asked for."""


def images_at_once(size: int, shape: tuple[int, ...], itemsize: int = 1) -> int:
    """Return the number of images in a batch: `size`, or as many as have LARGEST_BATCH bytes, at least 1.

    Args:
        shape: of one image, in any order.
        itemsize: bytes a value.
    """
    return max(1, min(size, LARGEST_BATCH // max(1, math.prod(shape) * itemsize)))


@dataclass(frozen=True)
class ImageSet:
    """n images of one size, as bytes.

    Args:
        name: the name of the set in messages.
        n: number of images.
        shape: (channels, height, width) of each image, with 1 or 3 channels.
        batches: a function of the batch size B that yields all images in a fixed order, as (B, C, H, W) uint8, from the
            start at each call. Batches of very large images are smaller.
    """

    name: str
    n: int
    shape: tuple[int, ...]
    batches: Callable[[int], Iterator[Tensor]]

    @classmethod
    def of_parts(cls, name: str, n: int, shape: tuple[int, ...], part: Callable[[int, int], Tensor]) -> ImageSet:
        """Return the set of n images that are bytes, or floats in [-1, 1], which `to_uint8` rounds to bytes.

        The batches are the same for both: features of an image depend on its batch by rounding.

        Args:
            part: `part(start, stop)` returns the images with these indices, (stop - start, C, H, W).
        """

        def batches(size: int) -> Iterator[Tensor]:
            count = images_at_once(size, shape, itemsize=4)
            for start in range(0, n, count):
                yield as_uint8(part(start, min(start + count, n)))

        return cls(name, n, shape, batches)
