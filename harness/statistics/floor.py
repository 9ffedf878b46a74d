"""A row against the floor, the metric between independent draws of real data."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.student import Floats, half_width, two_sided_p

FEWEST_PAIRS = 4
"""The least number of pairs for a test: with fewer, a row must be absurdly far from the floor to be told from it."""


def floor_p(mean: float, draws: int, floor: ArrayLike, *, shared: float = 0.0, is_one_sided: bool = False) -> float | None:
    """Test that a row's samples are real data: how often a perfect model's mean is as far from the floor's or farther.

    The draws of a perfect model are further draws of the floor. Their mean over `draws` draws then differs from the mean of
    the P pairs of the floor with the variance s² (1/draws + 1/P + shared), where s is the standard deviation of the pairs: a t
    with P - 1 degrees of freedom. The row's own spread has no part in it, so that a row whose cells differ much gains nothing
    by that.

    Args:
        mean: mean over all draws of a row.
        draws: how many draws the row has, over all its seeds.
        floor: (P,) values of the floor.
        shared: n / N where every draw takes n of the same N held-out examples; 0 where each draw has examples of its own. There
            are only N / n draws that share no example, so that no number of draws makes the mean over real examples more exact
            than these do.
        is_one_sided: whether a value depends on one held-out draw only, as that of a metric without real examples does, and that
            of a metric against training examples. The pairs then differ too little: draws of n from N examples have 1 - n / N of
            the variance of independent draws. The variance becomes s² ((1/draws + shared) / (1 - shared) + 1/P). Between halves
            of a shuffle, which are more different than independent draws are, the two effects cancel.
    Returns: None for fewer than FEWEST_PAIRS pairs, and for pairs that are all equal.
    """
    pairs = np.asarray(floor, np.float64)
    s = _sd(pairs)
    if s is None or len(pairs) < FEWEST_PAIRS:
        return None
    independent = _variance_of_independent(s, shared, is_one_sided=is_one_sided)
    error = (independent * (1 / draws + shared) + s**2 / len(pairs)) ** 0.5
    return float(two_sided_p((mean - float(pairs.mean())) / error, len(pairs) - 1))


def floor_interval(
    seed_means: ArrayLike, floor: ArrayLike, *, shared: float = 0.0, is_one_sided: bool = False
) -> tuple[float, float] | None:
    """Return the 95 % interval of a row's mean over further seeds less the floor, by Welch's t.

    Unlike `floor_p`, the interval holds for any row: the row's own spread over seeds is in it.

    Args:
        seed_means: (S,) values of the row's cells.
        floor, shared, is_one_sided: as in `floor_p`.
    Returns: low, high; None where the row has one seed, or the floor no spread.
    """
    means, pairs = np.asarray(seed_means, np.float64), np.asarray(floor, np.float64)
    s = _sd(pairs)
    if s is None or len(means) < 2:
        return None
    of_row = float(means.var(ddof=1)) / len(means)
    of_floor = s**2 / len(pairs) + _variance_of_independent(s, shared, is_one_sided=is_one_sided) * shared
    variance = of_row + of_floor
    df = variance**2 / (of_row**2 / (len(means) - 1) + of_floor**2 / (len(pairs) - 1))
    slack = float(half_width(df)) * variance**0.5
    difference = float(means.mean() - pairs.mean())
    return difference - slack, difference + slack


def _variance_of_independent(s: float, shared: float, *, is_one_sided: bool) -> float:
    """Return the variance of values of independent draws, from the standard deviation of the floor's pairs."""
    return s**2 / (1 - shared) if is_one_sided else s**2


def _sd(pairs: Floats) -> float | None:
    """Return the standard deviation of the floor's pairs; None where it cannot be known or is zero."""
    if len(pairs) < 2:
        return None
    return float(pairs.std(ddof=1)) or None
