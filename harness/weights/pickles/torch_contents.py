"""Inspection of the pickles that torch.save writes, before torch reads them: names, and sizes of storages and tensors.

Torch's own reader runs no code of a file. But it allocates what a file declares, and it has no limit for nested tuples.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, NoReturn

from harness.weights.pickles.containers import Call, encode, make_set, naturals
from harness.weights.pickles.guard import copies_limited, count_copy, read_one
from harness.weights.pickles.opcodes import RefusedPickle

_ITEM_BYTES = {
    "FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2, "BFloat16Storage": 2, "LongStorage": 8, "IntStorage": 4,
    "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1, "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16, "QUInt8Storage": 1, "QInt8Storage": 1, "QInt32Storage": 4, "QUInt4x2Storage": 1,
    "QUInt2x4Storage": 1, "UntypedStorage": 1,
}  # fmt: skip
"""Bytes of a number in each type of storage, by the name of the type in torch."""


class ForbiddenName(RefusedPickle):
    """The pickle uses a function or a class that a file of tensors and plain values does not have."""

    def __init__(self, module: str, name: str) -> None:
        advice = "; it holds a whole module: save its state_dict()" if module.startswith("torch.nn.modules.") else ""
        super().__init__(f"it would use {module}.{name}{advice}")


class _Opaque:
    """Stands for a value that decides nothing about sizes, such as a tensor, a device or a layout."""

    __slots__ = ()

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("a tensor or another value of torch has no further state")


@dataclass(frozen=True)
class _NumberType:
    """A dtype of torch."""

    item_bytes: int


@dataclass(frozen=True)
class _StorageType:
    item_bytes: int


@dataclass(frozen=True)
class _Storage:
    """A storage. count: how many numbers."""

    count: int
    item_bytes: int


class _Table(dict[object, object]):
    """Stands for an OrderedDict. torch's state dicts have a state, which holds the versions of modules."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise RefusedPickle("the state of a dictionary is no table")


@dataclass
class Sizes:
    """The bytes that a file has for its storages.

    Args:
        by_key: bytes of each storage by its key; None where the file does not say it before the numbers.
        total: bytes of all storages together at most.
        declared: bytes of each storage that the pickle refers to, so far.
    """

    by_key: Mapping[str, int] | None
    total: int
    declared: dict[str, int] = field(default_factory=dict)

    def declare(self, key: str, size: int) -> None:
        """Raises: RefusedPickle when the file has no storage of this key and size."""
        if self.by_key is not None and self.by_key.get(key) != size:
            raise RefusedPickle(f"a storage declares {size} bytes, and the file has {self.by_key.get(key, 'none')} for it")
        self.declared[key] = max(size, self.declared.get(key, 0))
        if sum(self.declared.values()) > self.total:
            raise RefusedPickle(f"its storages declare more bytes than the {self.total} of the file")


def inspect_content(content: bytes, sizes: Mapping[str, int]) -> None:
    """Inspect the pickle in an archive of torch.save.

    Args:
        sizes: bytes of each storage in the archive, by its key.
    Raises: ForbiddenName; RefusedPickle for sizes that the file does not have, and for anything that the guard refuses; an
    exception of any class for damaged bytes.
    """
    with copies_limited(len(content) + sum(sizes.values())):
        _read(io.BytesIO(content), Sizes(sizes, sum(sizes.values())))


def inspect_old_file(file: BinaryIO, size: int) -> None:
    """Inspect a file in torch's old format: five pickles, and then the numbers. Raises: as `inspect_content` does.

    Args:
        size: bytes of the file.
    """
    with copies_limited(size):
        for _ in range(3):  # the magic number, the version, and facts about the machine
            read_one(file, _PlainReader)
        _read(file, Sizes(None, size))
        read_one(file, _PlainReader)  # the keys of the storages


def _read(file: BinaryIO, sizes: Sizes) -> None:
    class Reader(_ContentReader):
        sizes_of_file = sizes

    read_one(file, Reader, allows_ids=True)


class _PlainReader(pickle.Unpickler):
    """Reads plain values."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise ForbiddenName(module, name)

    def persistent_load(self, pid: object) -> NoReturn:
        raise RefusedPickle("a storage stands where a plain value must be")


class _ContentReader(pickle.Unpickler):
    """Reads the content with stand-ins for tensors and storages, of which only the sizes are known."""

    sizes_of_file: Sizes

    def find_class(self, module: str, name: str) -> object:
        module = module.replace("__builtin__", "builtins")  # Python 2 called the module so, and protocol 2 still does
        permitted = _PERMITTED.get((module, name))
        if permitted is not None:
            return permitted
        if module in ("torch", "torch.storage") and name in _ITEM_BYTES:
            return _StorageType(_ITEM_BYTES[name])
        if module == "torch" and (constant := _constant(name)) is not None:
            return constant
        raise ForbiddenName(module, name)

    def persistent_load(self, pid: object) -> _Storage:
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise RefusedPickle("a reference to something else than a storage")
        kind, key, count = pid[1], pid[2], pid[4]
        if not isinstance(kind, _StorageType) or not isinstance(key, str) or type(count) is not int or count < 0:
            raise RefusedPickle("a storage has no type, no key or no size")
        self.sizes_of_file.declare(key, count * kind.item_bytes)
        return _Storage(count, kind.item_bytes)


def _constant(name: str) -> _NumberType | _Opaque | None:
    """Return the stand-in for a dtype, a layout or a scheme of torch; None for any other name."""
    import torch

    value = vars(torch).get(name)
    if isinstance(value, torch.dtype):
        return _NumberType(value.itemsize)
    return _Opaque() if isinstance(value, torch.layout | torch.qscheme | torch.memory_format) else None


def _tensor(storage: object, offset: object, size: object, stride: object, *rest: object) -> _Opaque:
    """Stand in for the functions that make a tensor of a storage. Raises: RefusedPickle unless it lies in the storage."""
    if not isinstance(storage, _Storage):
        raise RefusedPickle("a tensor has no storage")
    item_bytes = next((value.item_bytes for value in rest if isinstance(value, _NumberType)), storage.item_bytes)
    shape, strides, (start,) = naturals(size), naturals(stride), naturals((offset,))
    if len(shape) != len(strides):
        raise RefusedPickle(f"a tensor of shape {shape} has strides {strides}")
    count = math.prod(shape)
    last = start + sum((side - 1) * step for side, step in zip(shape, strides, strict=True)) if count else 0
    available = storage.count * storage.item_bytes // item_bytes
    if count and last >= available:
        raise RefusedPickle(f"a tensor of shape {shape} reaches outside its storage of {available} numbers")
    count_copy(max(0, count - available))  # with strides of zero, a few bytes could stand for any number of values
    return _Opaque()


def _of_type(function: object, _: object, arguments: object, *__: object) -> object:
    """Stand in for `torch._tensor._rebuild_from_type_v2`: another function makes the tensor."""
    if not isinstance(function, Call) or not isinstance(arguments, tuple):
        raise RefusedPickle("a tensor is made by no function")
    return function(*arguments)


def _table(*items: object) -> _Table:
    content = items[0] if items else ()
    if not isinstance(content, list | tuple | dict):
        raise RefusedPickle("a dictionary is made of pairs")
    count_copy(len(content))
    return _Table(content)


def _bytearray(content: object = b"", *_: object) -> bytearray:
    """Stand in for `bytearray`, which makes any number of zeros of a number."""
    if not isinstance(content, str | bytes):
        raise RefusedPickle("a bytearray is made of bytes")
    count_copy(len(content))
    return bytearray(len(content))


def _opaque(*_: object) -> _Opaque:
    return _Opaque()


class _Class:
    """Stands for a class that files name as an argument, and may not call."""

    def __new__(cls) -> NoReturn:
        raise RefusedPickle("a class of torch is not called")


_PERMITTED: Mapping[tuple[str, str], object] = {
    ("collections", "OrderedDict"): _Table,
    ("collections", "Counter"): Call(_table),
    ("torch._utils", "_rebuild_tensor"): Call(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Call(_tensor),
    ("torch._utils", "_rebuild_tensor_v3"): Call(_tensor),
    ("torch._utils", "_rebuild_qtensor"): Call(_tensor),
    ("torch._utils", "_rebuild_parameter"): Call(_opaque),
    ("torch._utils", "_rebuild_parameter_with_state"): Call(_opaque),
    ("torch._utils", "_rebuild_sparse_tensor"): Call(_opaque),
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): Call(_opaque),
    ("torch._tensor", "_rebuild_from_type_v2"): Call(_of_type),
    ("torch.nn.parameter", "Parameter"): _Class,
    ("torch", "Tensor"): _Class,
    ("torch", "Size"): Call(_opaque),
    ("torch", "device"): Call(_opaque),
    ("torch.serialization", "_get_layout"): Call(_opaque),
    ("_codecs", "encode"): Call(encode),
    ("builtins", "set"): Call(make_set),
    ("builtins", "complex"): Call(_opaque),
    ("builtins", "bytearray"): Call(_bytearray),
}
"""All names that a pickle may use, as (module, name), and what stands for each of them."""
