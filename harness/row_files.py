"""Rows of values in a file, read without keeping the file in memory."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harness.errors import UserError

_TYPES = {"U8": "|u1", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8"}
"""NumPy's names of the types in the header of a safetensors file. NumPy has no bfloat16."""
_LARGEST_HEADER = 100_000_000
"""Bytes of the largest header that the format allows."""


@dataclass(frozen=True, eq=False)
class RowFile:
    """Values of one size, one after the other in a file, of which any rows are read without keeping the file in memory.

    Rows are read with `pread` and not through a memory map. The file's pages then never count as memory of the process, and a
    file that is cut short or whose disk fails raises an error, where a memory map would end the process.

    Args:
        path: an uncompressed file: safetensors, .npy or bare values.
        offset: byte at which row 0 begins.
        shape: (n, …), n rows.
        dtype: NumPy's name of the type of a value, such as "uint8" or "<f4".
    """

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def of_safetensors(cls, path: Path, name: str) -> RowFile:
        """Return the rows of a tensor in a safetensors file. Raises: UserError for a file without it, or of another format."""
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                if length > _LARGEST_HEADER:
                    raise ValueError("its header is too long")
                entry = json.loads(file.read(length))[name]
            first, last = entry["data_offsets"]
            rows = cls(path, 8 + length + first, tuple(entry["shape"]), _TYPES[entry["dtype"]])
            if rows.row_bytes * len(rows) != last - first:
                raise ValueError("its header and its length do not agree")
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise UserError(f"{path}: no tensor {name} can be read: {error}") from error
        return rows

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:]) * np.dtype(self.dtype).itemsize

    def read(self, rows: Tensor) -> Tensor:
        """Return these rows, (k, *shape[1:]), in this order, on the CPU.

        Raises: UserError when the file is gone or too short; IndexError for a number that is no row's.
        """
        numbers: Sequence[int] = rows.tolist()
        if numbers and not 0 <= min(numbers) <= max(numbers) < len(self):
            raise IndexError(f"rows {min(numbers)} to {max(numbers)} of {len(self)}")
        values = np.empty((len(numbers), *self.shape[1:]), np.dtype(self.dtype))
        view, size = values.reshape(-1).view(np.uint8).data, self.row_bytes
        try:
            for place, number in enumerate(numbers):
                start, part = self.offset + number * size, view[place * size : (place + 1) * size]
                if os.preadv(self._file, [part], start) != size:
                    self._read_rest(part, start)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        return torch.from_numpy(values)

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
