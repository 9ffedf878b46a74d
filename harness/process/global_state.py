"""The global state of this process that numbers depend on: what of it one piece of work changed, and how to put it back."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import pickle
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

PATCHABLE = (
    "torch", "torch.Tensor", "torch.nn.functional", "torch.nn.init", "torch.random", "torch.linalg", "torch.autograd",
    "torch.nn", "torch.nn.Module", "torch.optim", "numpy", "numpy.random", "numpy.linalg", "random", "math", "os", "time",
    "builtins",
)  # fmt: skip
"""Modules and classes whose functions are looked at: a replaced `torch.randn` changes every later number. The classes of
`torch.nn` belong to them: Linear, Conv2d and the others."""
HARMLESS_VARIABLES = frozenset({"KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"})
"""Environment variables that scikit-learn sets when it is imported; they concern the start of OpenMP and no number."""


@dataclass(frozen=True)
class GlobalState:
    """A snapshot.

    Args:
        settings: values by name, as text that a message can show.
        generators: hash of the state of each global random generator.
        functions: the functions of each name in `PATCHABLE`, and of each class of `torch.nn`.
        restore_settings, restore_generators: functions that put settings and generators back.
    """

    settings: Mapping[str, str]
    generators: Mapping[str, str]
    functions: Mapping[str, Mapping[str, object]]
    restore_settings: tuple[Callable[[], object], ...]
    restore_generators: tuple[Callable[[], object], ...]


def snapshot() -> GlobalState:
    """Return the state now. Imports torch and NumPy."""
    import numpy
    import torch
    import torch._dynamo  # the first step of an optimiser imports it, and it puts a wrapper in the place of torch.manual_seed

    deterministic = (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
    dtype, device, grad = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()
    threads, precision, errors = torch.get_num_threads(), _product_precision(), numpy.geterr()
    cudnn = torch.backends.cudnn
    backend, reduced = (cudnn.enabled, cudnn.deterministic, cudnn.benchmark, _allow_tf32()), _reduced_precision()
    mkldnn = torch.backends.mkldnn.enabled
    settings = {
        "torch's default dtype": str(dtype),
        "torch's default device": str(device),
        "whether gradients are on (torch.set_grad_enabled)": str(grad),
        "torch's deterministic algorithms (on, warn only)": str(deterministic),
        "torch's number of threads": str(threads),
        "torch's precision of float32 products": str(precision),
        "cuDNN (enabled, deterministic, benchmark, allow_tf32)": str(backend),
        "reduced precision of CUDA's products (float16, bfloat16)": str(reduced),
        "oneDNN (torch.backends.mkldnn.enabled)": str(mkldnn),
        "autocast on CPU and CUDA": str((torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda"))),
        "NumPy's handling of errors (numpy.seterr)": str(errors),
    }
    torch_state, numpy_state, python_state = torch.get_rng_state(), numpy.random.get_state(), random.getstate()
    generators = {
        "torch's global generator": _hash(torch_state.numpy().tobytes()),
        "NumPy's global generator": _hash(pickle.dumps(numpy_state)),
        "the generator of Python's random": _hash(pickle.dumps(python_state)),
    }
    restore_settings = (
        lambda: torch.set_default_dtype(dtype),
        lambda: torch.set_default_device(None if device.type == "cpu" else device),
        lambda: torch.set_grad_enabled(grad),
        lambda: torch.use_deterministic_algorithms(deterministic[0], warn_only=deterministic[1]),
        lambda: None if torch.get_num_threads() == threads else torch.set_num_threads(threads),
        lambda: None if _product_precision() == precision or precision is None else torch.set_float32_matmul_precision(precision),
        lambda: _set_cudnn(*backend),
        lambda: _set_reduced_precision(*reduced),
        lambda: setattr(torch.backends.mkldnn, "enabled", mkldnn),
        lambda: numpy.seterr(**errors),
    )
    restore_generators = (
        lambda: torch.set_rng_state(torch_state),
        lambda: numpy.random.set_state(numpy_state),
        lambda: random.setstate(python_state),
    )
    functions = {name: _functions(name) for name in (*PATCHABLE, *_network_classes())}
    return GlobalState(settings, generators, functions, restore_settings, restore_generators)


def changes(before: GlobalState) -> list[str]:
    """Return a phrase for each thing that differs: `torch's default dtype (torch.float32, now torch.float64)`."""
    now = snapshot()
    found = [f"{name} ({old}, now {now.settings[name]})" for name, old in before.settings.items() if now.settings[name] != old]
    found += [f"the state of {name}" for name, value in before.generators.items() if now.generators[name] != value]
    for name, functions in before.functions.items():
        if name in found:  # a class of torch.nn that was replaced as a whole
            continue
        replaced = now.functions[name]
        found += [f"{name}.{function}" for function, value in functions.items() if replaced.get(function) is not value]
        found += [f"{name}.{function}" for function in _shadowing(name, functions, replaced)]
    return found


def put_back(before: GlobalState) -> None:
    """Restore everything that `changes` looks at, as far as the process allows."""
    for restore in (*before.restore_settings, *before.restore_generators):
        restore()
    for name, functions in before.functions.items():
        owner, now = _owner(name), _functions(name)
        for function, value in functions.items():
            if now.get(function) is not value:
                setattr(owner, function, value)
        for function in _shadowing(name, functions, now):
            delattr(owner, function)


def environment_changes(before: Mapping[str, str]) -> list[str]:
    """Return a phrase for each environment variable that differs now: `the environment variable OMP_NUM_THREADS`."""
    names = before.keys() | os.environ.keys()
    changed = {name for name in names if os.environ.get(name) != before.get(name)}
    return [f"the environment variable {name}" for name in sorted(changed - HARMLESS_VARIABLES)]


@contextmanager
def environment_kept() -> Iterator[None]:
    """Put the environment variables back at the end of the block, in which plugins are imported: workers inherit them."""
    before = dict(os.environ)
    try:
        yield
    finally:
        put_back_environment(before)


def put_back_environment(before: Mapping[str, str]) -> None:
    """Give the environment variables the values that they had."""
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _hash(state: bytes) -> str:
    return hashlib.sha256(state).hexdigest()


def _set_cudnn(enabled: bool, deterministic: bool, benchmark: bool, allow_tf32: bool | None) -> None:
    import torch

    cudnn = torch.backends.cudnn
    if (cudnn.enabled, cudnn.deterministic, cudnn.benchmark) != (enabled, deterministic, benchmark):
        cudnn.enabled, cudnn.deterministic, cudnn.benchmark = enabled, deterministic, benchmark
    if allow_tf32 is not None and _allow_tf32() != allow_tf32:
        cudnn.allow_tf32 = allow_tf32


def _allow_tf32() -> bool | None:
    """Return whether cuDNN may use TF32; None where its convolutions and recurrent networks differ, which torch does not tell."""
    import torch

    try:
        return torch.backends.cudnn.allow_tf32
    except RuntimeError:
        return None


def _product_precision() -> str | None:
    """Return the precision of float32 products; None where backends differ, which torch does not tell."""
    import torch

    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


def _reduced_precision() -> tuple[bool, bool]:
    import torch

    products = torch.backends.cuda.matmul
    return products.allow_fp16_reduced_precision_reduction, products.allow_bf16_reduced_precision_reduction


def _set_reduced_precision(float16: bool, bfloat16: bool) -> None:
    import torch

    products = torch.backends.cuda.matmul
    products.allow_fp16_reduced_precision_reduction, products.allow_bf16_reduced_precision_reduction = float16, bfloat16


def _network_classes() -> list[str]:
    """Return the names of the classes of networks in `torch.nn`: `torch.nn.Linear`."""
    import torch

    classes = {name: value for name, value in vars(torch.nn).items() if inspect.isclass(value)}
    return [f"torch.nn.{name}" for name, value in classes.items() if issubclass(value, torch.nn.Module) and name != "Module"]


def _owner(name: str) -> ModuleType | type:
    if name in sys.modules:
        return sys.modules[name]
    module, _, attribute = name.rpartition(".")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        owner: type = getattr(importlib.import_module(module), attribute)
        return owner


def _shadowing(name: str, before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Return the names that a class has got in front of those that it inherits: `torch.Tensor.mul`."""
    return sorted(now.keys() - before.keys()) if isinstance(_owner(name), type) else []


def _functions(name: str) -> dict[str, object]:
    # torch.Storage is another name for the storage of the default dtype.
    members = {key: value for key, value in vars(_owner(name)).items() if key != "Storage"}
    return {key: value for key, value in members.items() if callable(value) and not isinstance(value, ModuleType)}
