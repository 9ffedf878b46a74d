"""Names and shapes of the tensors in a safetensors file, read from its header alone. Neither torch nor the values are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from harness.errors import UserError
from harness.store.reading import check_regular

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each tensor by its name."""


def shapes(path: Path, *, where: str) -> Shapes:
    """Return the shape of each tensor.

    Raises: UserError, beginning with `where`, when the file is missing, cannot be read, or is no safetensors file.
    """
    try:
        check_regular(path)  # the library's own message for a missing file, or for a folder, does not name the path
        with safe_open(path, framework="np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118, not a dict
    except (OSError, SafetensorError) as error:
        raise UserError(f"{where} cannot be read: {error}") from error


def check_shapes(actual: Shapes, expected: Shapes, *, where: str) -> None:
    """Raises: UserError that names the first expected tensor that is missing or has another shape. Others are ignored."""
    for name, shape in expected.items():
        if name not in actual:
            raise UserError(f"{where} has no tensor {name!r}: it is of another kind of tokenizer or network")
        if actual[name] != shape:
            raise UserError(f"{where} does not belong to these settings: {name} is {actual[name]}, but they need {shape}")
