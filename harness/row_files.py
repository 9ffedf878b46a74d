"""Rows of values in a file, read without keeping the file in memory."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from harness.errors import UserError


@dataclass(frozen=True, eq=False)
class RowFile:
    """Values of one size, one after the other in a file, of which any rows are read without keeping the file in memory.

    Rows are read with `pread` and not through a memory map. The file's pages then never count as memory of the process, and a
    file that is cut short or whose disk fails raises an error, where a memory map would end the process.

    Args:
        path: an uncompressed file: safetensors, .npy or bare values.
        offset: byte at which row 0 begins.
        shape: (n, …), n rows.
        dtype: type of a value.
    """

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: torch.dtype

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def read(self, rows: Tensor) -> Tensor:
        """Return these rows, (k, *shape[1:]), in this order, on the CPU.

        Raises: UserError when the file is gone or too short; IndexError for a number that is no row's.
        """
        numbers: Sequence[int] = rows.tolist()
        if numbers and not 0 <= min(numbers) <= max(numbers) < len(self):
            raise IndexError(f"rows {min(numbers)} to {max(numbers)} of {len(self)}")
        values = torch.empty((len(numbers), *self.shape[1:]), dtype=self.dtype)
        view, size = values.reshape(-1).view(torch.uint8).numpy().data, self.row_bytes
        try:
            for place, number in enumerate(numbers):
                start, part = self.offset + number * size, view[place * size : (place + 1) * size]
                if os.preadv(self._file, [part], start) != size:
                    self._read_rest(part, start)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        return values

    def _read_rest(self, part: memoryview, start: int) -> None:
        """Read a row that came in pieces: a system gives at most 2 GB at once, and fewer where a signal arrives."""
        done = 0
        while done < len(part):
            count = os.preadv(self._file, [part[done:]], start + done)
            if not count:
                raise OSError(f"the file ends before byte {start + len(part)}; it was cut short")
            done += count

    @cached_property
    def _file(self) -> int:
        return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)

    def __getstate__(self) -> dict[str, object]:
        # A number of an open file holds in its own process; forks share it, and `pread` has no position that they could disturb.
        return {name: value for name, value in self.__dict__.items() if name != "_file"}

    def __del__(self) -> None:
        if (number := self.__dict__.get("_file")) is not None:
            os.close(number)
