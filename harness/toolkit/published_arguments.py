"""Reading what a published file says about its network: arguments by name, whose values may be anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

from pydantic import ValidationError

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.validation import first_fault

ConfigT = TypeVar("ConfigT", bound=Config)

LARGEST = 2**20
"""The largest whole number that a size in a published file can be."""


def whole_number(arguments: Mapping[str, object], name: str, *, where: str, default: int | None = None, least: int = 0) -> int:
    """Return an argument that must be a whole number from `least` to LARGEST.

    Raises: UserError, which begins with `where`, for anything else.
    """
    value = arguments.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UserError(f"{where}: {name} is {value!r}, not a whole number")
    if not least <= value <= LARGEST:
        raise UserError(f"{where}: {name} is {value}; it must be from {least} to {LARGEST}")
    return value


def checked_settings(config: type[ConfigT], settings: Mapping[str, object], *, where: str) -> ConfigT:
    """Return settings that were read from a file. Raises: UserError, which begins with `where`, for the first that is wrong."""
    try:
        return config.model_validate(dict(settings))
    except ValidationError as error:
        raise UserError(f"{where}: {first_fault(error, settings)}") from None


def square_images(channels: int, side: int, classes: int = 0) -> DataSpec:
    """Return the spec of square images."""
    return DataSpec((channels, side, side), classes=classes, preview="images")


def refuse_unknown(arguments: Mapping[str, object], known: Collection[str], *, where: str) -> None:
    """Check that all arguments are known. Raises: UserError, which begins with `where`, for any other."""
    if unknown := sorted(set(arguments) - set(known)):
        raise UserError(f"{where}: arguments that are not known here: {', '.join(unknown)}")
