"""Sets of images of one size. They are read batch by batch, so that a set of any length, from any source, fits the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from harness.images.quantise import to_uint8


@dataclass(frozen=True)
class ImageSet:
    """n images of one size, as bytes.

    Args:
        name: the name of the set in messages.
        n: number of images.
        shape: (channels, height, width) of each image, with 1 or 3 channels.
        batches: a function of the batch size B that yields all images in a fixed order, as (B, C, H, W) uint8, from the
            start at each call.
    """

    name: str
    n: int
    shape: tuple[int, ...]
    batches: Callable[[int], Iterator[Tensor]]

    @classmethod
    def of_floats(cls, name: str, n: int, shape: tuple[int, ...], part: Callable[[int, int], Tensor]) -> ImageSet:
        """Return the set of n images whose values are floats in [-1, 1]; `to_uint8` rounds them to bytes.

        Args:
            part: `part(start, stop)` returns the images with these indices, (stop - start, C, H, W).
        """

        def batches(size: int) -> Iterator[Tensor]:
            for start in range(0, n, size):
                yield to_uint8(part(start, min(start + size, n)))

        return cls(name, n, shape, batches)
