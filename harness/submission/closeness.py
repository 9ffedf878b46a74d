"""How near two numbers are that should be one: equal bit for bit on the machine that made them, nearly so on another."""

from __future__ import annotations

import math
from collections.abc import Iterable

TOLERANCE = 1e-3
"""The largest relative difference that kernels, threads and versions of libraries explain."""
SMALLEST = 1e-6
"""Absolute differences below this say nothing: estimates near zero lose their digits."""


def largest_difference(pairs: Iterable[tuple[float, float]]) -> float:
    """Return the largest relative difference of pairs; 0 where all are equal, and infinity where one is no number."""
    found = 0.0
    for first, second in pairs:
        if first == second:
            continue
        difference = abs(first - second)
        if not math.isfinite(difference):
            return math.inf
        if difference > SMALLEST:
            found = max(found, difference / max(abs(first), abs(second)))
        else:
            found = max(found, min(TOLERANCE / 10, difference))
    return found


def in_words(difference: float) -> str:
    """Return a difference as a phrase."""
    return "equal bit for bit" if difference == 0 else f"equal to a relative difference of {difference:.1e}"
