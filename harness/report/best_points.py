"""The best point of a curve at each number of images, where a round of training tries several settings."""

from __future__ import annotations

from collections.abc import Sequence


def best_at_each(curve: Sequence[tuple[int, float]], *, higher_is_better: bool) -> list[tuple[int, float]]:
    """Return one point for each number of images, in the order of the curve: the best, where candidates share that number.

    Args:
        curve: (images, value) of each point.
    """
    best = max if higher_is_better else min
    values: dict[int, list[float]] = {}
    for images, value in curve:
        values.setdefault(images, []).append(value)
    return [(images, best(found)) for images, found in values.items()]
