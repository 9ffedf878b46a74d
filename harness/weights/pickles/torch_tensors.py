"""Stand-ins for torch's functions in a pickle: storages of the legacy format, and the tensors that view them."""

from __future__ import annotations

import io
import math
import pickle
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import numpy as np

from harness.weights.pickles.containers import Finished, naturals
from harness.weights.pickles.guard import count_copy, read_one
from harness.weights.pickles.opcodes import RefusedPickle

if TYPE_CHECKING:
    from torch import Tensor

_STORAGES = {
    "FloatStorage": ("<f4", "float32"), "HalfStorage": ("<f2", "float16"), "DoubleStorage": ("<f8", "float64"),
    "BFloat16Storage": ("<i2", "bfloat16"), "LongStorage": ("<i8", "int64"), "IntStorage": ("<i4", "int32"),
    "ShortStorage": ("<i2", "int16"), "CharStorage": ("<i1", "int8"), "ByteStorage": ("<u1", "uint8"),
    "BoolStorage": ("|b1", "bool"),
}  # fmt: skip
"""By the name of a torch storage: the NumPy type that reads its bytes, and the torch dtype of its tensors."""
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


@dataclass
class _StorageType:
    """A type of storage by its name in torch."""

    name: str

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("the type of a storage has no state")


@dataclass
class Storage:
    """The numbers of a storage as a flat tensor."""

    flat: Tensor

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("a storage has no state")


class _HeaderReader(pickle.Unpickler):
    """Reads the pickles that stand before the numbers of a legacy storage. The only name they may use is a type of storage."""

    def find_class(self, module: str, name: str) -> object:
        if module == "torch" and name in _STORAGES:
            return _StorageType(name)
        raise RefusedPickle(f"{module}.{name} is not allowed in a storage")

    def persistent_load(self, pid: object) -> object:
        return pid


def load_storage(content: object) -> Storage:
    """Stand in for `torch.storage._load_from_bytes`.

    Args:
        content: the bytes of torch's legacy format: five pickles, the count of the numbers, and the numbers.
    Raises: RefusedPickle when the bytes are of another format, or declare other sizes than they have.
    """
    if not isinstance(content, bytes):
        raise RefusedPickle("a storage is no bytes")
    count_copy(len(content))
    file = io.BytesIO(content)
    kind, declared = _read_header(file)
    (count,) = struct.unpack("<q", file.read(8))
    numpy_type, torch_type = _STORAGES[kind.name]
    if count != declared or count * np.dtype(numpy_type).itemsize != len(content) - file.tell():
        raise RefusedPickle(f"a storage declares {declared} numbers and holds {len(content) - file.tell()} bytes")
    return Storage(_flat(content, file.tell(), numpy_type, torch_type))


def _read_header(file: BinaryIO) -> tuple[_StorageType, int]:
    """Read the five pickles before the numbers; return the type of the storage and the declared count of its numbers."""
    magic, protocol, system, description, keys = (read_one(file, _HeaderReader, allows_ids=True) for _ in range(5))
    if magic != _MAGIC or protocol != _PROTOCOL or not isinstance(system, dict):
        raise RefusedPickle("a storage is not of torch's legacy format")
    if system.get("little_endian") is not True:
        raise RefusedPickle("a storage is not little-endian")
    if not (isinstance(description, tuple) and len(description) >= 5 and description[0] == "storage"):
        raise RefusedPickle("a storage has no description")
    kind, key, declared = description[1], description[2], description[4]
    # Keys are compared as text only. Comparing nested lists, of which each holds the next one twice, takes 2^levels steps.
    if not isinstance(kind, _StorageType) or not isinstance(key, str) or not (isinstance(keys, list) and len(keys) == 1):
        raise RefusedPickle("a storage has no type or no key")
    if not isinstance(keys[0], str) or keys[0] != key or type(declared) is not int:
        raise RefusedPickle("a storage has a key that is not its own, or no size")
    return kind, declared


def _flat(content: bytes, offset: int, numpy_type: str, torch_type: str) -> Tensor:
    import torch

    flat = torch.from_numpy(np.frombuffer(content, numpy_type, offset=offset).copy())
    return flat.view(torch.bfloat16) if torch_type == "bfloat16" else flat


def rebuild_tensor(storage: object, offset: object, size: object, stride: object, *_: object) -> Finished:
    """Stand in for `torch._utils._rebuild_tensor_v2`. Raises: RefusedPickle for a tensor that reaches outside its storage."""
    if not isinstance(storage, Storage):
        raise RefusedPickle("a tensor has no storage")
    shape, strides = naturals(size), naturals(stride)
    (start,) = naturals((offset,))
    if len(shape) != len(strides):
        raise RefusedPickle(f"a tensor of shape {shape} has strides {strides}")
    count = math.prod(shape)
    last = start + sum((side - 1) * step for side, step in zip(shape, strides, strict=True)) if count else 0
    # With strides of zero, a few bytes could stand for any number of values: so the count is limited too.
    if count > storage.flat.numel() or (count and last >= storage.flat.numel()):
        raise RefusedPickle(f"a tensor of shape {shape} reaches outside its storage of {storage.flat.numel()} numbers")
    return Finished(storage.flat.as_strided(shape, strides, start if count else 0))


def rebuild_parameter(tensor: object, *_: object) -> Finished:
    """Stand in for `torch._utils._rebuild_parameter`: a parameter is its tensor."""
    if not isinstance(tensor, Finished):
        raise RefusedPickle("a parameter is no tensor")
    return tensor
