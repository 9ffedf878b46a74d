"""Packages that an installation may leave out and that several plugins need. Importing this module costs no torch."""

from __future__ import annotations

from harness.targets import require

DIFFUSERS = {"diffusers": "pip install 'finetune-harness[diffusers]'"}
"""The `packages` of every component that runs through diffusers, whichever plugin the component is in."""


def require_diffusers(where: str) -> None:
    """Check that diffusers is installed. Raises: UserError, which begins with `where`, when it is not."""
    require("diffusers", DIFFUSERS["diffusers"], where=where)
