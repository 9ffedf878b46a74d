"""Stand-ins for NumPy's names in a pickle: types of plain numbers, arrays, and scalars."""

from __future__ import annotations

import math
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from harness.weights.pickles.containers import Finished, encode, naturals
from harness.weights.pickles.guard import count_copy
from harness.weights.pickles.opcodes import RefusedPickle

_NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}
"""NumPy's codes of the permitted types: a letter for boolean, integer, unsigned integer or float, and the number of bytes."""


class NumberType:
    """Stands in for `numpy.dtype`, for plain numbers only."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str):
            raise RefusedPickle("a numpy.dtype has no name")
        if code.lstrip("<>=|") not in _NUMBERS:
            raise RefusedPickle(f"numpy.dtype({code[:40]!r}) is not allowed")
        self._code, self._order = code.lstrip("<>=|"), "<"

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or not isinstance(state[1], str) or state[1] not in tuple("<>=|"):
            raise RefusedPickle("a numpy.dtype has a strange state")
        self._order = state[1]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The NumPy type."""
        return np.dtype(self._order.replace("|", "<") + self._code)


class Array:
    """A holder of a NumPy array. The pickle's opcode BUILD, which calls `__setstate__`, gives it its content."""

    def __init__(self) -> None:
        self.value: NDArray[np.generic] | None = None

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise RefusedPickle("a numpy array has a strange state")
        _, shape, kind, is_fortran, content = state
        if isinstance(content, str):  # bytes of Python 2, which the reader decodes as latin1
            content = encode(content, "latin1")
        self.value = fill_array(content, kind, shape, "F" if is_fortran is True else "C")


class ArrayType:
    """Stands in for `numpy.ndarray`. Files name it as an argument, and may not call it."""

    def __new__(cls) -> NoReturn:
        raise RefusedPickle("numpy.ndarray is not called")


def make_array(kind: object, *_: object) -> Array:
    """Stand in for `numpy.core.multiarray._reconstruct`."""
    if kind is not ArrayType:
        raise RefusedPickle("only arrays of numpy.ndarray are allowed")
    return Array()


def fill_array(content: object, kind: object, shape: object, order: object, *_: object) -> NDArray[np.generic]:
    """Stand in for `numpy.core.numeric._frombuffer`. Raises: RefusedPickle unless the content has exactly the shape's size."""
    sides = naturals(shape)
    if not isinstance(kind, NumberType) or not isinstance(content, bytes | bytearray) or order not in ("C", "F"):
        raise RefusedPickle("a numpy array holds no plain numbers")
    count_copy(len(content))
    if math.prod(sides) * kind.dtype.itemsize != len(content):
        raise RefusedPickle(f"a numpy array of shape {sides} holds {len(content)} bytes")
    return np.frombuffer(content, kind.dtype).copy().reshape(sides, order=order)


def make_scalar(kind: object, content: object) -> Finished:
    """Stand in for `numpy.core.multiarray.scalar`."""
    if not isinstance(kind, NumberType) or not isinstance(content, bytes) or len(content) != kind.dtype.itemsize:
        raise RefusedPickle("a numpy scalar is no plain number")
    return Finished(np.frombuffer(content, kind.dtype)[0])
