"""Packages that a component needs and an installation may leave out. Importing this module costs no torch."""

from __future__ import annotations

from importlib.util import find_spec

from harness.errors import UserError


def require(package: str, install: str, *, where: str) -> None:
    """Raises: UserError, beginning with `where`, when the package is not installed; `install` is the command that does it."""
    if find_spec(package) is None:
        raise UserError(f"{where}: needs {package}, which is not installed; {install}")


DIFFUSERS = {"diffusers": "pip install finetune-harness[diffusers]"}
"""For `Component.packages` of what runs through diffusers, whichever plugin it is in."""


def require_diffusers(where: str) -> None:
    """Raises: UserError, beginning with `where`, when diffusers is not installed."""
    require("diffusers", DIFFUSERS["diffusers"], where=where)
