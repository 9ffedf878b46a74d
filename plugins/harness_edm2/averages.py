"""EDM2's learning rate and the names of its snapshots; the averages themselves are the harness's, for all models."""

from __future__ import annotations

import re

from harness.training.averages import (
    AverageSnapshot,
    PowerFunctionAverage,
    coefficients,
    decay,
    exponent,
    overlap,
    reconstruct,
    relative_std,
)

__all__ = [
    "AverageSnapshot",
    "PowerFunctionAverage",
    "coefficients",
    "decay",
    "exponent",
    "images_of",
    "learning_rate",
    "overlap",
    "parse_snapshot_name",
    "reconstruct",
    "relative_std",
    "snapshot_name",
]  # fmt: skip


def learning_rate(
    seen: float, *, batch: float, reference: float = 0.01, steps: float = 70_000, rampup: float = 10_000_000
) -> float:
    """The learning rate of EDM2 at `seen` images, before the step.

    Args:
        batch: images a step. reference: the peak.
        steps: after as many the rate begins to fall as one over the square root; 0 for never.
        rampup: images over which it rises linearly from 0; 0 for at once.
    """
    rate = reference
    if steps > 0:
        rate /= max(seen / (steps * batch), 1) ** 0.5
    return rate * (min(seen / rampup, 1) if rampup > 0 else 1.0)


def snapshot_name(images: int, std: float) -> str:
    """File name of a published snapshot."""
    return f"network-snapshot-{images // 1000:07d}-{std:.3f}.pkl"


def images_of(kimg: int) -> int:
    """The number of images that the thousands in a file name stand for: a multiple of 1024, as all are."""
    return (kimg * 1000 + 999) // 1024 * 1024


def parse_snapshot_name(name: str) -> tuple[int, float]:
    """Images and relative length in a file name. Raises: ValueError when it is none."""
    match = re.fullmatch(r".*?(\d+)-(\d+\.\d+)\.pkl", name)
    if match is None:
        raise ValueError(f"{name!r} is no snapshot's name, as network-snapshot-0008388-0.050.pkl is")
    return images_of(int(match[1])), float(match[2])
