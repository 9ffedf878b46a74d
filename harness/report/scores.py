"""A score: the mean of several values and their standard deviation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """The mean of `n` values, and their sample standard deviation; the deviation is None for one value."""

    mean: float
    sd: float | None
    n: int


def mean(values: Sequence[float]) -> float:
    """Return the mean of at least one value, rounded once, so that every machine gets the same number (plots depend on it)."""
    # The functions of `statistics` are as exact and many times slower; rows of 10,000 seeds exist.
    return math.fsum(values) / len(values)


def variance(values: Sequence[float]) -> float:
    """Return the sample variance of at least two values, (sum of (x - mean)^2) / (n - 1)."""
    average = mean(values)
    return math.fsum([(value - average) ** 2 for value in values]) / (len(values) - 1)


def score_of(values: Sequence[float]) -> Score:
    """Return the score of at least one value."""
    average = mean(values)
    if len(values) < 2:
        return Score(average, None, len(values))
    return Score(average, math.sqrt(variance(values)), len(values))
