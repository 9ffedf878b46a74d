"""Student's t distribution, for scalars and arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.05
"""The level of every test of the harness: how often a test finds a difference where there is none."""

Floats = NDArray[np.float64]

# The functions import scipy themselves, since every command would wait for it.


def two_sided_p(t: ArrayLike, df: ArrayLike) -> Floats:
    """Return how often |T| >= |t| where T has `df` > 0 degrees of freedom."""
    from scipy.special import stdtr

    return np.asarray(2 * stdtr(df, -np.abs(t)), dtype=np.float64)


def upper_p(t: ArrayLike, df: ArrayLike) -> Floats:
    """Return how often T >= t where T has `df` > 0 degrees of freedom."""
    from scipy.special import stdtr

    return np.asarray(stdtr(df, -np.asarray(t)), dtype=np.float64)


def half_width(df: ArrayLike, level: float = LEVEL) -> Floats:
    """Return the c for which the interval estimate ± c · (standard error) holds the true value in 1 - level of all cases."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(df, 1 - level / 2), dtype=np.float64)
