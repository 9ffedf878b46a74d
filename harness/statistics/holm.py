"""Several tests at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted for the number of tests: rejecting where an adjusted p <= level errs in `level` of all cases at
    most, for all tests together. Source: Holm 1979, *A simple sequentially rejective multiple test procedure*."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return [float(value) for value in adjusted]


def holm_within(p: float, family: ArrayLike) -> float:
    """Return the adjusted p of one test of a family, as `holm` gives it.

    Args:
        p: of the test. It may differ from the family's own number by rounding.
        family: (m,) p values of all tests of the family, in any order, the test's own among them.
    Returns: the largest, over all p values q of the family that are at most p, of q times the number of tests with q or more.
    """
    p_values = np.sort(np.asarray(family, np.float64))
    up_to = np.append(p_values[p_values <= p], p)
    at_least = len(p_values) - np.searchsorted(p_values, up_to)
    return min(1.0, float((up_to * at_least).max()))
