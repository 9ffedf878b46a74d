"""The header of an array in NumPy's format: its shape and its type. Python's parser reads it, so its length is limited."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

LONGEST = 10_000
"""Bytes of the longest header that is parsed; NumPy's own limit."""


@dataclass(frozen=True)
class ArrayHeader:
    """The shape, type and order of an array, as its header declares them.

    Args:
        is_fortran: whether the first axis changes fastest.
        length: bytes of the header, before the values.
    """

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]
    length: int


def read_header(file: IO[bytes]) -> ArrayHeader:
    """Read a header, and leave the file at the first value. Raises: ValueError for a damaged header, or another version of it."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"it names version {version[0]}.{version[1]} of NumPy's format, which is not known")
    # Version 3 is version 2 with names of fields in UTF-8, and images have no fields.
    length_format, read = (
        ("<H", np.lib.format.read_array_header_1_0) if version == (1, 0) else ("<I", np.lib.format.read_array_header_2_0)
    )
    prefix = file.read(struct.calcsize(length_format))
    if len(prefix) < struct.calcsize(length_format):
        raise ValueError("it ends inside its header")
    (length,) = struct.unpack(length_format, prefix)
    if length > LONGEST:
        raise ValueError(f"its header declares {length:,} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy tells that a header of Python 2 takes longer to read
            shape, is_fortran, dtype = read(io.BytesIO(prefix + file.read(length)))
    except Exception as error:  # NumPy leaves the text to Python's parser, which can raise anything, a MemoryError too
        raise ValueError(f"its header is no header: {type(error).__name__}") from None
    if any(side < 0 for side in shape):
        raise ValueError(f"its header declares the shape {shape}")
    return ArrayHeader(tuple(map(int, shape)), is_fortran, dtype, 8 + len(prefix) + length)
