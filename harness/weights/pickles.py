"""A reader of pickles that takes them as data: tensors, arrays, plain containers, records of NVIDIA's networks.

A pickle is a program, and ordinary loading runs it. This reader calls nothing that a file names: each permitted name
stands for a function or a holder of this module, any other name is refused, and no declared size is believed before the
bytes are there. The source text that NVIDIA's files embed is never looked at.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from harness.weights import opcodes
from harness.weights.opcodes import RefusedPickle as RefusedPickle  # part of this module's contract

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 16 * 2**30
"""Bytes of the largest file that is read; the largest published network has 3 GiB."""

DEEPEST = 64
"""Levels of modules within modules."""


@dataclass
class Persistent:
    """An object of NVIDIA's persistence code: the name of its class and its attributes. Its source is not kept."""

    class_name: str
    state: dict[str, object]

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("a persistence record has its state inside")

    @property
    def arguments(self) -> dict[str, object]:
        """The keyword arguments that it was constructed with. Raises: RefusedPickle when they are not all by name."""
        if self.state.get("_init_args"):
            raise RefusedPickle(f"{self.class_name} was constructed with arguments without names")
        arguments = self.state.get("_init_kwargs", {})
        if not isinstance(arguments, dict):
            raise RefusedPickle(f"{self.class_name} has no table of constructor arguments")
        return dict(arguments)


class Container:
    """A `torch.nn` container: its attributes only."""

    def __init__(self) -> None:
        self.state: dict[str, object] = {}

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise RefusedPickle("a module's state is no table")
        self.state = state


def load(path: Path, *, largest: int = LARGEST) -> object:
    """What a pickle holds. Raises: RefusedPickle, naming the file and what in it is not allowed; OSError."""
    size = path.stat().st_size
    if size > largest:
        raise RefusedPickle(f"{path}: {size} bytes, more than the {largest} that are read")
    try:
        return loads(path.read_bytes())
    except RefusedPickle as error:
        raise RefusedPickle(f"{path}: {error}") from None


def loads(content: bytes) -> object:
    """As `load`, of bytes."""
    token = _budget.set(_Budget(len(content)))
    try:
        return _guarded(lambda: _Resolver().resolve(_read(io.BytesIO(content), _Reader)))
    finally:
        _budget.reset(token)


def network(stored: object, key: str = "ema") -> Persistent:
    """The network in what `load` gave. Raises: RefusedPickle when there is none under the key."""
    found = stored.get(key) if isinstance(stored, dict) else stored
    if not isinstance(found, Persistent):
        raise RefusedPickle(f"no network is stored under {key!r}")
    return found


def state_dict(module: Persistent | Container) -> dict[str, Tensor]:
    """All parameters and persistent buffers by their full names, in the order of execution.

    Raises: RefusedPickle when a table of the module is damaged.
    """
    return dict(_tensors(module, "", 0))


def _tensors(module: Persistent | Container, prefix: str, depth: int) -> Iterable[tuple[str, Tensor]]:
    import torch

    if depth > DEEPEST:
        raise RefusedPickle(f"modules are nested more than {DEEPEST} levels deep")
    transient = module.state.get("_non_persistent_buffers_set", set())
    for table in ("_parameters", "_buffers", "_modules"):
        entries = module.state.get(table, {})
        if not isinstance(entries, dict):
            raise RefusedPickle(f"{prefix}{table} is no table")
        for name, value in entries.items():
            if isinstance(value, Persistent | Container) and table == "_modules":
                yield from _tensors(value, f"{prefix}{name}.", depth + 1)
            elif isinstance(value, torch.Tensor) and table != "_modules":
                if not (table == "_buffers" and isinstance(transient, set) and name in transient):
                    yield f"{prefix}{name}", value
            elif value is not None:
                raise RefusedPickle(f"{prefix}{table} has {name!r}, which is {type(value).__name__}")


def _guarded(read: Callable[[], object]) -> object:
    try:
        return read()
    except RefusedPickle:
        raise
    except RecursionError:
        raise RefusedPickle("containers are nested too deep") from None
    except MemoryError:
        raise RefusedPickle("it declares more than there is memory for") from None
    except Exception as error:  # whatever an arbitrary sequence of opcodes can make the interpreter raise
        raise RefusedPickle(f"it is damaged: {type(error).__name__}: {error}") from None


# --- reading ---------------------------------------------------------------------------------------------------------


def _read(file: BinaryIO, reader: type[pickle.Unpickler]) -> object:
    """One pickle from where the file stands, which is then at its end."""
    start = file.tell()
    # The interpreter sets memory aside for a string or a memo slot by its declared size: see first that it is honest.
    opcodes.inspect(file, allows_ids=reader is _HeaderReader)
    file.seek(start)
    return reader(file, encoding="latin1").load()


class _Budget:
    """How much a pickle's calls may copy. A file says each number once; one that has them copied again and again is a bomb."""

    def __init__(self, size: int) -> None:
        self.left = 2 * size + 2**16

    def take(self, amount: int) -> None:
        """Bytes, or items of a container, that a call is about to copy. Raises: RefusedPickle when there were too many."""
        self.left -= amount
        if self.left < 0:
            raise RefusedPickle("it copies its content more often than a file of data does")


_budget: ContextVar[_Budget] = ContextVar("budget")


class _Reader(pickle.Unpickler):
    """Finds the permitted names, all of them here."""

    def find_class(self, module: str, name: str) -> object:
        # Older and newer files have one of each of these names.
        module = module.replace("__builtin__", "builtins").replace("numpy._core.", "numpy.core.")
        try:
            return _PERMITTED[module, name]
        except KeyError:
            raise RefusedPickle(f"{module}.{name} is not allowed") from None

    def persistent_load(self, pid: object) -> NoReturn:
        raise RefusedPickle("references to other files are not allowed")


class _HeaderReader(pickle.Unpickler):
    """Reads the pickles before a legacy storage's bytes: numbers, tables, and the type of the storage."""

    def find_class(self, module: str, name: str) -> object:
        if module == "torch" and name in _STORAGES:
            return _StorageType(name)
        raise RefusedPickle(f"{module}.{name} is not allowed in a storage")

    def persistent_load(self, pid: object) -> object:
        return pid


# --- what the permitted names stand for ------------------------------------------------------------------------------


class _Call:
    """A function as a pickle may call it. It has no attributes that a pickle could set."""

    __slots__ = ("_function",)
    _function: Callable[..., object]

    def __init__(self, function: Callable[..., object]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise RefusedPickle(f"the attribute {name!r} of a function is not data")

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("the state of a function is not data")


class _Table(dict[object, object]):
    """A dictionary of a named kind: only items, no attributes."""

    __slots__ = ()

    def __init__(self, items: object = ()) -> None:
        if not isinstance(items, list | tuple | dict):
            raise RefusedPickle("a dictionary is made of pairs")
        _budget.get().take(len(items))
        super().__init__(items)

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("a dictionary has items only")


@dataclass
class _StorageType:
    name: str

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("the type of a storage has no state")


_STORAGES = {
    "FloatStorage": ("<f4", "float32"), "HalfStorage": ("<f2", "float16"), "DoubleStorage": ("<f8", "float64"),
    "BFloat16Storage": ("<i2", "bfloat16"), "LongStorage": ("<i8", "int64"), "IntStorage": ("<i4", "int32"),
    "ShortStorage": ("<i2", "int16"), "CharStorage": ("<i1", "int8"), "ByteStorage": ("<u1", "uint8"),
    "BoolStorage": ("|b1", "bool"),
}  # fmt: skip
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


@dataclass
class _Storage:
    flat: Tensor

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("a storage has no state")


class _Finished:
    """A tensor or a number. Its own class would let a pickle set its state."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("a tensor or number has no further state")


def _storage(content: object) -> _Storage:
    """The storage in the bytes of torch's legacy format: five pickles, a count, and raw numbers."""
    import torch

    if not isinstance(content, bytes):
        raise RefusedPickle("a storage is no bytes")
    _budget.get().take(len(content))
    file = io.BytesIO(content)
    magic, protocol, system, described, keys = (_read(file, _HeaderReader) for _ in range(5))
    if magic != _MAGIC or protocol != _PROTOCOL or not isinstance(system, dict):
        raise RefusedPickle("a storage is not of torch's legacy format")
    if system.get("little_endian") is not True:
        raise RefusedPickle("a storage is not little-endian")
    if not (isinstance(described, tuple) and len(described) >= 5 and described[0] == "storage"):
        raise RefusedPickle("a storage has no description")
    kind, key, declared = described[1], described[2], described[4]
    # Compared only as text: two lists that hold lists twice, level by level, would be compared for ever.
    if not isinstance(kind, _StorageType) or not isinstance(key, str) or not (isinstance(keys, list) and len(keys) == 1):
        raise RefusedPickle("a storage has no type or no key")
    if not isinstance(keys[0], str) or keys[0] != key or type(declared) is not int:
        raise RefusedPickle("a storage has a key that is not its own, or no size")
    (count,) = struct.unpack("<q", file.read(8))
    numpy_type, torch_type = _STORAGES[kind.name]
    if count != declared or count * np.dtype(numpy_type).itemsize != len(content) - file.tell():
        raise RefusedPickle(f"a storage declares {declared} numbers and holds {len(content) - file.tell()} bytes")
    flat = torch.from_numpy(np.frombuffer(content, numpy_type, offset=file.tell()).copy())
    return _Storage(flat.view(torch.bfloat16) if torch_type == "bfloat16" else flat)


def _tensor(storage: object, offset: object, size: object, stride: object, *_: object) -> _Finished:
    if not isinstance(storage, _Storage):
        raise RefusedPickle("a tensor has no storage")
    shape, strides = _naturals(size), _naturals(stride)
    (start,) = _naturals((offset,))
    if len(shape) != len(strides):
        raise RefusedPickle(f"a tensor of shape {shape} has strides {strides}")
    count = math.prod(shape)
    last = start + sum((side - 1) * step for side, step in zip(shape, strides, strict=True)) if count else 0
    # A stride of zero could make a few bytes look like any amount of numbers.
    if count > storage.flat.numel() or (count and last >= storage.flat.numel()):
        raise RefusedPickle(f"a tensor of shape {shape} reaches outside its storage of {storage.flat.numel()} numbers")
    return _Finished(storage.flat.as_strided(shape, strides, start if count else 0))


def _parameter(tensor: object, *_: object) -> object:
    if not isinstance(tensor, _Finished):
        raise RefusedPickle("a parameter is no tensor")
    return tensor


def _naturals(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(type(one) is int and 0 <= one < 2**62 for one in values):
        # Not shown: the text of lists that hold lists twice, level by level, has no end.
        raise RefusedPickle("there is no tuple of sizes where one must be")
    return values


class _NumberType:
    """A numpy dtype of plain numbers."""

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
        """The dtype."""
        return np.dtype(self._order.replace("|", "<") + self._code)


_NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class _Array:
    """A numpy array that will get its content by BUILD."""

    def __init__(self) -> None:
        self.value: NDArray[np.generic] | None = None

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise RefusedPickle("a numpy array has a strange state")
        _, shape, kind, is_fortran, content = state
        self.value = _filled(content, kind, shape, "F" if is_fortran is True else "C")


def _filled(content: object, kind: object, shape: object, order: object, *_: object) -> NDArray[np.generic]:
    sides = _naturals(shape)
    if not isinstance(kind, _NumberType) or not isinstance(content, bytes | bytearray) or order not in ("C", "F"):
        raise RefusedPickle("a numpy array holds no plain numbers")
    _budget.get().take(len(content))
    if math.prod(sides) * kind.dtype.itemsize != len(content):
        raise RefusedPickle(f"a numpy array of shape {sides} holds {len(content)} bytes")
    return np.frombuffer(content, kind.dtype).copy().reshape(sides, order=order)


class _ArrayType:
    """Stands for numpy.ndarray, which files name and never call."""

    def __new__(cls) -> NoReturn:
        raise RefusedPickle("numpy.ndarray is not called")


def _array(kind: object, *_: object) -> _Array:
    if kind is not _ArrayType:
        raise RefusedPickle("only arrays of numpy.ndarray are allowed")
    return _Array()


def _scalar(kind: object, content: object) -> _Finished:
    if not isinstance(kind, _NumberType) or not isinstance(content, bytes) or len(content) != kind.dtype.itemsize:
        raise RefusedPickle("a numpy scalar is no plain number")
    return _Finished(np.frombuffer(content, kind.dtype)[0])


def _persistent(meta: object) -> Persistent:
    if not isinstance(meta, dict) or meta.get("type") != "class":
        raise RefusedPickle("a persistence record is no class")
    name, state = meta.get("class_name"), meta.get("state")
    if not isinstance(name, str) or not isinstance(state, dict):
        raise RefusedPickle("a persistence record has no class name or no state")
    return Persistent(name, state)


def _encoded(text: object, encoding: object) -> bytes:
    # How protocol 2 writes bytes.
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise RefusedPickle("_codecs.encode is allowed for latin1 only")
    _budget.get().take(len(text))
    return text.encode("latin1")


def _set(items: object = ()) -> set[object]:
    if not isinstance(items, list | tuple):
        raise RefusedPickle("a set is made of a list")
    _budget.get().take(len(items))
    return set(items)


_PERMITTED: Mapping[tuple[str, str], object] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _Call(_persistent),
    ("dnnlib.util", "EasyDict"): _Table,
    ("collections", "OrderedDict"): _Table,
    ("torch.nn.modules.container", "ModuleDict"): Container,
    ("torch.nn.modules.container", "ModuleList"): Container,
    ("torch.nn.modules.container", "Sequential"): Container,
    ("torch._utils", "_rebuild_parameter"): _Call(_parameter),
    ("torch._utils", "_rebuild_tensor_v2"): _Call(_tensor),
    ("torch.storage", "_load_from_bytes"): _Call(_storage),
    ("numpy.core.multiarray", "scalar"): _Call(_scalar),
    ("numpy.core.multiarray", "_reconstruct"): _Call(_array),
    ("numpy.core.numeric", "_frombuffer"): _Call(_filled),
    ("numpy", "ndarray"): _ArrayType,
    ("numpy", "dtype"): _NumberType,
    ("_codecs", "encode"): _Call(_encoded),
    ("builtins", "set"): _Call(_set),
}


# --- afterwards ------------------------------------------------------------------------------------------------------


_KEYS = (str, bytes, int, float, type(None))


@dataclass
class _Resolver:
    """Replaces the holders of arrays and tables by plain ones, everywhere, once each."""

    done: dict[int, object] = field(default_factory=dict)
    alive: list[object] = field(default_factory=list)
    """Keeps what `done` knows by its address."""

    def resolve(self, value: object) -> object:
        """The value with nothing in it that is only of this module's inside."""
        if id(value) in self.done:
            return self.done[id(value)]
        self.alive.append(value)
        if isinstance(value, dict):
            table: dict[object, object] = {}
            self.done[id(value)] = table
            for key, one in value.items():
                if not isinstance(key, _KEYS):
                    raise RefusedPickle(f"a dictionary has a key of type {type(key).__name__}")
                table[key] = self.resolve(one)
            return table
        if isinstance(value, list):
            items: list[object] = []
            self.done[id(value)] = items
            items.extend(self.resolve(one) for one in value)
            return items
        self.done[id(value)] = value  # for what contains itself
        result = self._plain(value)
        self.done[id(value)] = result
        return result

    def _plain(self, value: object) -> object:
        if isinstance(value, tuple):
            return tuple(self.resolve(one) for one in value)
        if isinstance(value, _Array):
            if value.value is None:
                raise RefusedPickle("a numpy array has no content")
            return value.value
        if isinstance(value, _Finished):
            return value.value
        if isinstance(value, set | frozenset) and not all(isinstance(one, _KEYS) for one in value):
            raise RefusedPickle("a set has other members than text and numbers")
        if isinstance(value, Persistent | Container):
            value.state = cast("dict[str, object]", self.resolve(value.state))
        elif isinstance(value, type | _Call | _Storage | _NumberType):
            raise RefusedPickle("it holds a function or a type as a value")
        return value
