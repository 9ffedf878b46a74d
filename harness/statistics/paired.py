"""Differences of two rows over the seeds that they share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.student import Floats, half_width, two_sided_p, upper_p

EQUAL = 1e-6
"""Differences whose spread is below this share of the values are equal: samples are float32, so that less is rounding."""
ZERO = 1e-5
"""Differences whose mean and spread are below this share of the values are zero: samples that two processes draw from the same
weights differ by rounding, and metrics of them by up to half of this."""


@dataclass(frozen=True)
class PairedDifference:
    """The mean difference of two rows, and what chance alone would make of it.

    Args:
        low, high: the 95 % interval of the mean difference; None where all differences are equal and not zero, since their
            spread then says nothing about chance.
        p: how often chance alone gives a mean difference as large or larger, in either direction.
        n: the number of pairs.
    """

    mean: float
    low: float | None
    high: float | None
    p: float
    n: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean difference, (low, high); None where there is none."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def has_spread(self) -> bool:
        """Whether the differences differ by more than rounding; without a spread nothing tells what chance would make of them."""
        return self.low is not None and self.low != self.high


def is_rounding(first: float, second: float) -> bool:
    """Return whether two values differ by no more than those of the same weights do that two processes draw from; see ZERO."""
    return math.isclose(first, second, rel_tol=ZERO)


def paired_difference(first: ArrayLike, second: ArrayLike) -> PairedDifference | None:
    """Compare two rows by the paired t test.

    t = mean(d) / (sd(d) / sqrt(n)) with n - 1 degrees of freedom, d = first - second. The test is exact for normal differences.
    Where all differences are equal, t is 0/0 or infinite. Differences that are all zero have the interval [0, 0] and p = 1.
    Others have no interval, and p is that of the sign test, 2^(1 - n): n equal signs by chance.

    Args:
        first, second: (n,) values of the two rows, of the same seed at each place. A value that is not finite stands for a seed
            that the row lacks, and its pair does not count.
    Returns: first - second; None for fewer than two pairs, of which no test can be made.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    n = len(a)
    if n < 2:
        return None
    differences = a - b
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    scale = float(np.maximum(np.abs(a), np.abs(b)).max())
    if max(sd, abs(mean)) <= ZERO * scale:
        return PairedDifference(0.0, 0.0, 0.0, 1.0, n)
    if sd <= EQUAL * scale:
        return PairedDifference(mean, None, None, 2.0 ** (1 - n), n)
    error = sd / n**0.5
    slack = float(half_width(n - 1)) * error
    return PairedDifference(mean, mean - slack, mean + slack, float(two_sided_p(mean / error, n - 1)), n)


def paired_difference_of_groups(first: ArrayLike, second: ArrayLike, groups: ArrayLike) -> PairedDifference | None:
    """Compare two rows by the paired t test of their means over groups of seeds, one pair of numbers for each group.

    Seeds of a group may depend on each other, as cells of one base do: the test errs as often as it says for further groups.
    Where groups differ in their number of seeds, it does so only nearly.

    Args:
        first, second: (n,) values as `paired_difference` takes them.
        groups: (n,) whole numbers, equal for seeds of one group.
    Returns: first - second; None for fewer than two groups with a pair.
    """
    a, b, numbers = np.asarray(first, np.float64), np.asarray(second, np.float64), np.asarray(groups)
    is_pair = np.isfinite(a) & np.isfinite(b)
    members = [is_pair & (numbers == number) for number in np.unique(numbers[is_pair])]
    return paired_difference([a[member].mean() for member in members], [b[member].mean() for member in members])


def upper_p_of_differences(first: Floats, second: Floats) -> Floats:
    """Return, for each pair of rows, the one-sided p of the paired t test that `first` is larger than `second` on average.

    Equal differences are treated as in `paired_difference`: the sign test gives 2^-n where all are above zero, and else 1.

    Args:
        first, second: (..., n) finite values, n >= 2; they are broadcast against each other.
    Returns: (...,).
    """
    differences = first - second
    n = differences.shape[-1]
    mean, sd = differences.mean(-1), differences.std(-1, ddof=1)
    scale = np.maximum(np.abs(first), np.abs(second)).max(-1)
    are_zero = np.maximum(sd, np.abs(mean)) <= ZERO * scale
    are_equal = are_zero | (sd <= EQUAL * scale)
    t = mean / np.where(are_equal, 1.0, sd / n**0.5)
    of_equal = np.where(~are_zero & (mean > 0), 2.0**-n, 1.0)
    return np.where(are_equal, of_equal, upper_p(t, n - 1))


def two_sided_p_of_differences(first: Floats, second: Floats) -> Floats:
    """Return, for each pair of rows, the p that `paired_difference` gives.

    Args:
        first, second: (..., n) values; they are broadcast against each other. NaN stands for a seed that a row lacks.
    Returns: (...,), NaN for fewer than two pairs of values.
    """
    differences = first - second
    is_pair = np.isfinite(differences)
    n = is_pair.sum(-1)
    mean = np.where(is_pair, differences, 0.0).sum(-1) / np.maximum(n, 1)
    deviations = np.where(is_pair, differences - mean[..., None], 0.0)
    sd = np.sqrt((deviations**2).sum(-1) / np.maximum(n - 1, 1))
    scale = np.where(is_pair, np.maximum(np.abs(first), np.abs(second)), 0.0).max(-1, initial=0.0)
    are_zero = np.maximum(sd, np.abs(mean)) <= ZERO * scale
    are_equal = are_zero | (sd <= EQUAL * scale)
    t = mean / np.where(are_equal, 1.0, sd / np.sqrt(np.maximum(n, 1)))
    of_equal = np.where(are_zero, 1.0, 2.0 ** (1.0 - n))
    return np.where(n < 2, np.nan, np.where(are_equal, of_equal, two_sided_p(t, np.maximum(n - 1, 1))))
