"""The idx format of MNIST's files: two zeros, a type, the number of axes, the size of each axis, and then the bytes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError

LARGEST = 2**28
"""Bytes of the largest array that is read. The largest published file has 47,040,000."""
_UNSIGNED_BYTES = 8


def read_idx(path: Path, *, axes: int) -> NDArray[np.uint8]:
    """Read the array in an idx file of unsigned bytes, which is gzipped when its name ends in .gz.

    Raises: UserError that names the file when it is no such file, is cut short, or has another number of axes.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"{path}: is no file")  # reading a pipe could take for ever
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            shape = _shape(file.read(4 + 4 * axes), axes, path)
            expected = math.prod(shape)
            if expected > LARGEST:
                raise UserError(f"{path}: declares {expected:,} bytes; the largest file that is read has {LARGEST:,}")
            # One byte more shows a file that goes on. A bomb is not unpacked beyond it.
            content = file.read(expected + 1)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise UserError(f"{path}: cannot be read ({error}); get it again") from error
    if len(content) != expected:
        count = f"{len(content)}" if len(content) < expected else f"more than {expected}"
        raise UserError(f"{path}: {count} bytes for the shape {shape}; it is damaged, get it again")
    return np.frombuffer(content, np.uint8).reshape(shape).copy()


def _shape(head: bytes, axes: int, path: Path) -> tuple[int, ...]:
    if len(head) < 4 + 4 * axes or head[:4] != bytes([0, 0, _UNSIGNED_BYTES, axes]):
        raise UserError(f"{path}: no idx file of unsigned bytes with {axes} axes")
    return struct.unpack(f">{axes}I", head[4:])
