"""How EDM2's authors train: their learning rate, and the names of the snapshots that they publish."""

from __future__ import annotations

import re


def learning_rate(
    seen: float, *, batch: float, reference: float = 0.01, steps: float = 70_000, rampup: float = 10_000_000
) -> float:
    """The learning rate of EDM2 after `seen` images: reference / sqrt(max(seen / (steps * batch), 1)) * min(seen / rampup, 1).

    Forced weight normalisation keeps the effective learning rate from falling by itself, so a schedule must lower it.

    Args:
        seen: images seen before the step.
        batch: images of a step.
        reference: the peak.
        steps: number of steps after which the rate begins to fall; 0 for a rate that does not fall.
        rampup: images over which the rate rises linearly from 0; 0 for a rate that does not rise.
    Source: Karras et al. 2024, Eq. 67.
    """
    rate = reference
    if steps > 0:
        rate /= max(seen / (steps * batch), 1) ** 0.5
    return rate * (min(seen / rampup, 1) if rampup > 0 else 1.0)


def snapshot_name(images: int, std: float) -> str:
    """Return the file name of a published snapshot: images seen, and relative length of the average."""
    return f"network-snapshot-{images // 1000:07d}-{std:.3f}.pkl"


def images_of(kimg: int) -> int:
    """Return the number of images that the thousands in a file name stand for.

    Snapshots are taken at multiples of 1024 images, so the number is the largest such multiple below 1000 (kimg + 1).
    """
    return (kimg * 1000 + 999) // 1024 * 1024


def parse_snapshot_name(name: str) -> tuple[int, float]:
    """Return images and relative length in a file name. Raises: ValueError for a name that is not a snapshot's."""
    match = re.fullmatch(r".*?(\d+)-(\d+\.\d+)\.pkl", name)
    if match is None:
        raise ValueError(f"{name!r} is no snapshot's name; names are like network-snapshot-0008388-0.050.pkl")
    return images_of(int(match[1])), float(match[2])
