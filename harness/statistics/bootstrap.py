"""Bootstrap intervals: a second look at a mean, without the assumption that values are normal."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.student import LEVEL

RESAMPLES = 9999
FEWEST = 3
"""With two values there are three different resamples, which say nothing."""


def bootstrap_interval(values: ArrayLike, level: float = LEVEL) -> tuple[float, float] | None:
    """Return the 1 - level interval of the mean, bias-corrected and accelerated (BCa).

    The resamples come from a fixed seed, so that the same values give the same interval. With fewer than ten values the interval
    is too narrow: it holds the true mean less often than it says. Source: Efron 1987, *Better bootstrap confidence intervals*.

    Args:
        values: (n,) finite values.
    Returns: None for fewer than FEWEST values, and for values that are all equal, since their spread says nothing about chance.
    """
    from scipy.stats import bootstrap

    x = np.asarray(values, np.float64)
    if len(x) < FEWEST or np.ptp(x) == 0:
        return None
    fixed = np.random.default_rng(0)
    found = bootstrap((x,), np.mean, confidence_level=1 - level, n_resamples=RESAMPLES, method="BCa", rng=fixed)
    low, high = found.confidence_interval
    return float(low), float(high)
