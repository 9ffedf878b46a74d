"""What a safetensors file holds, from its header: names and shapes, without torch and without reading a tensor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from harness.errors import UserError

Shapes = Mapping[str, tuple[int, ...]]


def shapes(path: Path, *, where: str) -> Shapes:
    """Shape of each tensor. Raises: UserError for a file that is missing, cannot be read, or is none of safetensors."""
    try:
        with path.open("rb"):  # the library's own message for a folder or a missing file names neither
            pass
        with safe_open(path, framework="np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118, not a dict
    except (OSError, SafetensorError) as error:
        raise UserError(f"{where} cannot be read: {error}") from error


def check_shapes(found: Shapes, expected: Shapes, *, where: str) -> None:
    """Raises: UserError, which names the first tensor that is missing or has another shape than expected."""
    for name, shape in expected.items():
        if name not in found:
            raise UserError(f"{where} has no tensor {name!r}: it is of another kind of tokenizer or network")
        if found[name] != shape:
            raise UserError(f"{where} does not belong to these settings: {name} is {found[name]}, but they need {shape}")
