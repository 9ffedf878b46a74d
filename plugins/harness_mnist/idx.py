"""The idx format of MNIST's files: two zeros, a type, the number of axes, the size of each axis, and then the bytes."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError

_UNSIGNED_BYTES = 8


def read_idx(path: Path, *, axes: int) -> NDArray[np.uint8]:
    """Read the array in an idx file of unsigned bytes, which is gzipped when its name ends in .gz.

    Raises: UserError that names the file when it is no such file, is cut short, or has another number of axes.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read ({error}); get it again") from error
    head = 4 + 4 * axes
    if len(content) < head or content[:4] != bytes([0, 0, _UNSIGNED_BYTES, axes]):
        raise UserError(f"{path}: no idx file of unsigned bytes with {axes} axes")
    shape = [int(size) for size in np.frombuffer(content, ">u4", axes, 4)]
    if len(content) - head != math.prod(shape):
        raise UserError(f"{path}: {len(content) - head} bytes for the shape {tuple(shape)}; it is damaged, get it again")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape).copy()
