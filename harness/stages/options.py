"""How jobs run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JobOptions:
    """How jobs run; nothing here changes a result.

    Args:
        device: "cpu", "cuda", or "auto".
        checkpoint_seconds: between two checkpoints.
    """

    device: str = "auto"
    checkpoint_seconds: float = 30.0
