"""The options of a job. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JobOptions:
    """Options that say how a job runs. None of them changes a result.

    Args:
        device: "cpu", "cuda", "cuda:N" or "auto".
        checkpoint_seconds: seconds between two checkpoints.
    """

    device: str = "auto"
    checkpoint_seconds: float = 30.0
