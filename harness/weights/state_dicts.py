"""State dicts: tensors by name, with a hash of the values that does not depend on how they are stored."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.store.files import storage


def snapshot(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return a copy of the module's state dict on the CPU. Later training does not change the copy."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in module.state_dict().items()}


def sha256(weights: Mapping[str, Tensor]) -> str:
    """Return the sha256, as 64 hex digits, over the names, dtypes, shapes and values of all tensors, sorted by name."""
    total = hashlib.sha256()
    for name, value in sorted(weights.items()):
        value = value.detach().cpu().contiguous()
        total.update(f"{name}/{value.dtype}/{tuple(value.shape)}/".encode())
        total.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def save(weights: Mapping[str, Tensor], path: Path) -> None:
    """Write weights as safetensors. Raises: StorageError."""
    with storage(path):
        try:
            save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, path)
        except SafetensorError as error:
            # The library gives the operating system's error number only inside its message: "… (os error 28)".
            if (number := re.search(r"os error (\d+)", str(error))) is None:
                raise
            raise OSError(int(number[1]), str(error)) from error


def load(path: Path) -> dict[str, Tensor]:
    """Return the weights of a safetensors file, on the CPU."""
    return load_file(path)


def are_finite(weights: Mapping[str, Tensor]) -> bool:
    """Return False when any floating-point value is NaN or infinite."""
    return all(bool(torch.isfinite(value).all()) for value in weights.values() if value.is_floating_point())


def parameters(module: torch.nn.Module) -> int:
    """Return the number of the module's parameters, as scalars, whether they are trained or not."""
    return sum(parameter.numel() for parameter in module.parameters())
