"""A tensor in a safetensors file, read and written by rows, so that a tensor of any length fits the memory."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from harness.errors import UserError
from harness.store.files import storage
from harness.store.reading import check_regular, open_regular

_DTYPES = {
    "U8": torch.uint8,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "I64": torch.int64,
}
"""The types that are read by rows, by their names in the header of a safetensors file."""
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
BYTES_AT_ONCE = 2**24
"""Bytes that are hashed at once."""


@dataclass(frozen=True)
class TensorRows:
    """A tensor (n, …) in a safetensors file. Reading goes by `read`, and maps nothing: what was read does not stay in memory.

    Args:
        shape: of the whole tensor.
        kind: the name of its type in the header: `F32`.
        offset: position of its first byte in the file.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    kind: str
    offset: int

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def dtype(self) -> torch.dtype:
        """The type, which is one of those that are read by rows."""
        return _DTYPES[self.kind]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def read(self, start: int, stop: int) -> Tensor:
        """Return rows `start` to `stop` - 1, (stop - start, …), on the CPU.

        Raises: UserError when the file cannot be read, or has become shorter.
        """
        count = max(0, min(stop, len(self)) - start)
        content = bytearray(count * self.row_bytes)
        try:
            with open_regular(self.path) as file:
                file.seek(self.offset + start * self.row_bytes)
                got = file.readinto(content)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}") from None
        if got != len(content):
            raise UserError(f"{self.path}: cannot be read: it ends inside of {self.name}")
        if not content:  # torch makes no tensor of an empty buffer
            return torch.empty((count, *self.shape[1:]), dtype=self.dtype)
        return torch.frombuffer(content, dtype=self.dtype).view(count, *self.shape[1:])

    def __getitem__(self, indices: Sequence[int]) -> Tensor:
        """Return the rows with these numbers, in this order, (k, …), on the CPU. Raises: UserError as `read` does."""
        if not indices or not self.row_bytes:
            return torch.empty((len(indices), *self.shape[1:]), dtype=self.dtype)
        content = bytearray(len(indices) * self.row_bytes)
        view = memoryview(content)
        try:
            with open_regular(self.path) as file:  # once, since a batch of a large tensor has hundreds of rows
                for place, index in enumerate(indices):
                    file.seek(self.offset + index * self.row_bytes)
                    if file.readinto(view[place * self.row_bytes : (place + 1) * self.row_bytes]) != self.row_bytes:
                        raise UserError(f"{self.path}: cannot be read: it ends inside of {self.name}")
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read: {error.strerror}") from None
        return torch.frombuffer(content, dtype=self.dtype).view(len(indices), *self.shape[1:])

    def sha256(self, name: str) -> str:
        """Return `state_dicts.sha256({name: tensor})` of the whole tensor, which is read piece by piece."""
        total = hashlib.sha256(f"{name}/{self.dtype}/{self.shape}/".encode())
        count = max(1, BYTES_AT_ONCE // max(1, self.row_bytes))
        for start in range(0, len(self), count):
            total.update(bytes_of(self.read(start, start + count)))
        return total.hexdigest()


def bytes_of(rows: Tensor) -> memoryview:
    """Return the bytes of a tensor as they stand in files. The tensor is on the CPU."""
    return rows.contiguous().reshape(-1).view(torch.uint8).numpy().data


def tensors(path: Path) -> Mapping[str, TensorRows]:
    """Return the tensors of a safetensors file by name.

    Raises: UserError when the file cannot be read, or is no safetensors file.
    """
    try:
        check_regular(path)
        with safe_open(path, framework="np"):  # the library checks the header, and every size that it states
            pass
        with open_regular(path) as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    return {
        name: TensorRows(path, name, tuple(entry["shape"]), entry["dtype"], 8 + length + entry["data_offsets"][0])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def allocate(path: Path, layout: Mapping[str, tuple[torch.dtype, tuple[int, ...]]]) -> Mapping[str, TensorRows]:
    """Write a safetensors file with these tensors, (n, …), by name, whose values are zeros until `write` sets them.

    No room is kept for the zeros on most file systems, so that `write` is what notices a full disk. Raises: StorageError.
    """
    # Types of many bytes come first, as the library writes them: then every tensor is aligned.
    names = sorted(layout, key=lambda name: (-layout[name][0].itemsize, name))
    header: dict[str, object] = {}
    end = 0
    for name in names:
        dtype, shape = layout[name]
        start, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with storage(path), path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return tensors(path)


def write(tensor: TensorRows, start: int, rows: Tensor) -> None:
    """Set rows of a tensor, from `start`. Raises: StorageError; ValueError for rows of another type or shape."""
    if rows.dtype != tensor.dtype or tuple(rows.shape[1:]) != tensor.shape[1:] or start + len(rows) > len(tensor):
        raise ValueError(f"{tensor.name} has {tensor.dtype} rows {tensor.shape[1:]}, got {rows.dtype} {tuple(rows.shape)}")
    with storage(tensor.path), tensor.path.open("r+b") as file:
        file.seek(tensor.offset + start * tensor.row_bytes)
        file.write(bytes_of(rows))
