"""Reading what a published file says about its network: arguments by name, whose values may be anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from harness.errors import UserError
from harness.interfaces import DataSpec


def whole_number(arguments: Mapping[str, object], name: str, *, where: str, default: int | None = None) -> int:
    """Return an argument that must be a whole number. Raises: UserError, which begins with `where`, for anything else."""
    value = arguments.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UserError(f"{where}: {name} is {value!r}, not a whole number")
    return value


def square_images(channels: int, side: int, classes: int = 0) -> DataSpec:
    """Return the spec of square images."""
    return DataSpec((channels, side, side), classes=classes, preview="images")


def refuse_unknown(arguments: Mapping[str, object], known: Collection[str], *, where: str) -> None:
    """Check that all arguments are known. Raises: UserError, which begins with `where`, for any other."""
    if unknown := sorted(set(arguments) - set(known)):
        raise UserError(f"{where}: arguments that are not known here: {', '.join(unknown)}")
