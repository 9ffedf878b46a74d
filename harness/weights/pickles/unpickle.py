"""Reading of a whole pickle. A table lists the permitted names and what each stands for; every other name is refused."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from harness.store.reading import open_regular
from harness.weights.pickles.containers import Call, PlainDict, encode, make_set
from harness.weights.pickles.guard import copies_limited, read_one
from harness.weights.pickles.networks import Container, rebuild_persistent
from harness.weights.pickles.numpy_arrays import ArrayType, NumberType, fill_array, make_array, make_scalar
from harness.weights.pickles.opcodes import RefusedPickle
from harness.weights.pickles.plain import Resolver
from harness.weights.pickles.torch_tensors import load_storage, rebuild_parameter, rebuild_tensor

LARGEST = 16 * 2**30
"""Bytes of the largest file that is read; the largest published network has 3 GiB."""

PERMITTED: Mapping[tuple[str, str], object] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): Call(rebuild_persistent),
    ("dnnlib.util", "EasyDict"): PlainDict,
    ("collections", "OrderedDict"): PlainDict,
    ("torch.nn.modules.container", "ModuleDict"): Container,
    ("torch.nn.modules.container", "ModuleList"): Container,
    ("torch.nn.modules.container", "Sequential"): Container,
    ("torch._utils", "_rebuild_parameter"): Call(rebuild_parameter),
    ("torch._utils", "_rebuild_tensor_v2"): Call(rebuild_tensor),
    ("torch.storage", "_load_from_bytes"): Call(load_storage),
    ("numpy.core.multiarray", "scalar"): Call(make_scalar),
    ("numpy.core.multiarray", "_reconstruct"): Call(make_array),
    ("numpy.core.numeric", "_frombuffer"): Call(fill_array),
    ("numpy", "ndarray"): ArrayType,
    ("numpy", "dtype"): NumberType,
    ("_codecs", "encode"): Call(encode),
    ("builtins", "set"): Call(make_set),
}
"""All names that a pickle may use, as (module, name), and what stands for each of them."""


def load(path: Path, *, largest: int = LARGEST) -> object:
    """Return the content of a pickle file.

    Raises: RefusedPickle, naming the file, when it is larger than `largest` bytes, damaged, or holds more than data; OSError.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise RefusedPickle(f"{path}: {size} bytes, more than the {largest} that are read")
        content = file.read()
    try:
        return loads(content)
    except RefusedPickle as error:
        raise RefusedPickle(f"{path}: {error}") from None


def loads(content: bytes) -> object:
    """Return the content of a pickle. Raises: RefusedPickle for anything that is not allowed, and for damaged bytes."""
    try:
        with copies_limited(len(content)):
            return Resolver().resolve(read_one(io.BytesIO(content), _Reader))
    except RefusedPickle:
        raise
    except RecursionError:
        raise RefusedPickle("containers are nested too deep") from None
    except MemoryError:
        raise RefusedPickle("it declares more than there is memory for") from None
    except Exception as error:  # an arbitrary sequence of opcodes can make the interpreter raise anything
        raise RefusedPickle(f"it is damaged: {type(error).__name__}: {error}") from None


class _Reader(pickle.Unpickler):
    """Looks names up in PERMITTED, and refuses all others and persistent ids."""

    def find_class(self, module: str, name: str) -> object:
        # Python 2 and NumPy 2 have other names for two of the modules.
        module = module.replace("__builtin__", "builtins").replace("numpy._core.", "numpy.core.")
        try:
            return PERMITTED[module, name]
        except KeyError:
            raise RefusedPickle(f"{module}.{name} is not allowed") from None

    def persistent_load(self, pid: object) -> NoReturn:
        raise RefusedPickle("references to other files are not allowed")
