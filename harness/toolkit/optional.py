"""The extra packages that several plugins need. Importing this module costs no torch."""

from __future__ import annotations

from harness.targets import require

DIFFUSERS = {"diffusers": "pip install finetune-harness[diffusers]"}
"""For `Component.packages` of what runs through diffusers, whichever plugin it is in."""


def require_diffusers(where: str) -> None:
    """Raises: UserError, beginning with `where`, when diffusers is not installed."""
    require("diffusers", DIFFUSERS["diffusers"], where=where)
