"""A set of images of one size, read batch by batch: neither their number nor their source matters to what is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from harness.images.quantise import to_uint8


@dataclass(frozen=True)
class ImageSet:
    """n images.

    Args:
        name: what messages call it.
        shape: (channels, height, width); channels are 1 or 3.
        batches: given a batch size, gives (B, C, H, W) uint8 in a fixed order, anew at each call.
    """

    name: str
    n: int
    shape: tuple[int, ...]
    batches: Callable[[int], Iterator[Tensor]]

    @classmethod
    def of_floats(cls, name: str, n: int, shape: tuple[int, ...], part: Callable[[int, int], Tensor]) -> ImageSet:
        """Of images in [-1, 1]; `part(start, stop)` reads some of them. They become bytes as `to_uint8` says."""

        def batches(size: int) -> Iterator[Tensor]:
            for start in range(0, n, size):
                yield to_uint8(part(start, min(start + size, n)))

        return cls(name, n, shape, batches)

    @classmethod
    def of_bytes(cls, name: str, images: Tensor) -> ImageSet:
        """Of a tensor (n, C, H, W) uint8."""

        def batches(size: int) -> Iterator[Tensor]:
            for start in range(0, len(images), size):
                yield images[start : start + size]

        return cls(name, len(images), tuple(images.shape[1:]), batches)
