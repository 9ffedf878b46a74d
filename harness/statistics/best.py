"""The rows that cannot be told from the best one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.statistics.paired import upper_p_of_differences
from harness.statistics.student import LEVEL


def maybe_best(values: ArrayLike, *, higher_is_better: bool, level: float = LEVEL) -> NDArray[np.bool_]:
    """Return which rows may be the best: those to which no other row is better by a test.

    Every row is compared with every other over the seeds that they share, by one-sided paired t tests, each at
    level / (rows - 1). A row leaves the set when any other row is better than it. The truly best row leaves it only if one of
    its rows - 1 comparisons errs, so that it stays in 1 - level of all boards at least, for any number of rows and however
    their values depend on each other. Where all rows have all seeds, the row with the best mean always stays.

    These are Hsu's multiple comparisons with the best, for pairs, whose spreads differ: Bonferroni's bound stands for Dunnett's
    constant, which needs equal spreads. Source: Hsu 1996, *Multiple Comparisons: Theory and Methods*, chapter 4.

    Args:
        values: (rows, n), the same seed in each column; NaN for a seed that a row does not have.
    Returns: (rows,). Rows that share fewer than two seeds cannot be told apart: both may be the best.
    """
    x = np.asarray(values, np.float64)
    rows, n = x.shape
    if n < 2 or rows < 2:
        return np.ones(rows, dtype=bool)
    gains, present = x if higher_is_better else -x, np.isfinite(x)
    # Rows of the same seeds are compared at once, and not all pairs of rows, which would take rows² · n numbers.
    patterns, pattern_of = np.unique(present, axis=0, return_inverse=True)
    smallest = np.ones(rows)
    for number, pattern in enumerate(patterns):
        others = gains[pattern_of.reshape(-1) == number]
        for row in range(rows):
            seeds = present[row] & pattern
            if seeds.sum() >= 2:
                p = upper_p_of_differences(others[:, seeds], gains[row, seeds]).min()
                smallest[row] = min(smallest[row], float(p))
    return np.asarray(smallest > level / (rows - 1))
