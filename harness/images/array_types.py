"""Advice for arrays whose type is not that of images. It depends on the values: a cast to bytes would wrap or blacken some."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def advice(dtype: np.dtype[Any], blocks: Iterable[NDArray[Any]]) -> str:
    """Return how to write an array that is neither uint8 nor floats as images: the end of the sentence "bool values; …".

    Args:
        blocks: the parts of the array, of which every value is read where the type has a range.
    """
    if dtype.kind == "b":
        return "write them as bytes of 0 and 255: x.astype(numpy.uint8) * 255"
    if dtype.kind not in "iu":
        return "images are uint8, or floats with --range"
    low, high = _range(blocks)
    found = f"they are in [{low}, {high}]"
    if low >= 0 and high <= 1:
        return f"{found}; if 1 is white, write x.astype(numpy.uint8) * 255, and if 255 is white, x.astype(numpy.uint8)"
    if low >= 0 and high <= 255:
        return f"{found}, so x.astype(numpy.uint8) writes them as bytes"
    scale = "numpy.round(x / 257)" if low >= 0 and 4095 < high <= 65535 else "numpy.round((x - BLACK) * (255 / (WHITE - BLACK)))"
    white = "65535 is white" if scale.endswith("257)") else "BLACK and WHITE are what they mean"
    return f"{found}, and bytes would wrap; if {white}, write {scale}.astype(numpy.uint8)"


def _range(blocks: Iterable[NDArray[Any]]) -> tuple[int, int]:
    ranges = [(int(block.min()), int(block.max())) for block in blocks]
    return min(low for low, _ in ranges), max(high for _, high in ranges)
