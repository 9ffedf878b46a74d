"""The guard around every pickle. It inspects the opcodes before the pickle is read, and limits how much its calls may copy."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import BinaryIO

from harness.weights.pickles import opcodes
from harness.weights.pickles.opcodes import RefusedPickle


def read_one(file: BinaryIO, reader: type[pickle.Unpickler], *, allows_ids: bool = False) -> object:
    """Read one pickle from the file's position, and leave the file at its end.

    Args:
        reader: the class that looks up the permitted names.
        allows_ids: whether the pickle may refer to objects by persistent ids, which the reader resolves.
    Raises: RefusedPickle for opcodes that are not allowed; an exception of any class for damaged bytes.
    """
    start = file.tell()
    # The interpreter allocates a string or a memo by its declared size. The inspection checks the declared sizes before that.
    opcodes.inspect(file, allows_ids=allows_ids)
    file.seek(start)
    return reader(file, encoding="latin1").load()


class _Budget:
    """The number of bytes and container items that the calls of a pickle may still copy.

    A data file holds each number once; a decompression bomb copies the same numbers again and again.
    """

    def __init__(self, size: int) -> None:
        self.left = 2 * size + 2**16


_budget: ContextVar[_Budget] = ContextVar("budget")


@contextmanager
def copies_limited(size: int) -> Iterator[None]:
    """Limit the copies inside the block, which `count_copy` counts. size: the size of the pickle in bytes."""
    token = _budget.set(_Budget(size))
    try:
        yield
    finally:
        _budget.reset(token)


def count_copy(amount: int) -> None:
    """Count the bytes, or the items of a container, that a call is about to copy. Raises: RefusedPickle over the limit."""
    budget = _budget.get()
    budget.left -= amount
    if budget.left < 0:
        raise RefusedPickle("it copies its content more often than a file of data does")
