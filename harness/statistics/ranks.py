"""Mean ranks of several methods over several blocks, such as bases and boards (Demšar 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.paired import ZERO
from harness.statistics.student import LEVEL, Floats

FEWEST_METHODS = 3
FEWEST_BLOCKS = 2


@dataclass(frozen=True)
class MeanRanks:
    """Methods ranked in each block, and whether the ranks differ by more than chance.

    Args:
        ranks: (blocks, methods), 1 is the best; values that are equal but for rounding share the mean of their ranks.
        means: (methods,).
        p: of Friedman's test that all methods are alike.
        critical_difference: two methods whose mean ranks are nearer than this are not told apart (Nemenyi, level 5 %).
    """

    ranks: Floats
    means: Floats
    p: float
    critical_difference: float

    def told_apart(self, first: int, second: int) -> bool:
        """Return whether the mean ranks of two methods, by their places, differ by more than chance.

        Nemenyi's test counts only after Friedman's has found a difference.
        """
        return self.p <= LEVEL and bool(abs(self.means[first] - self.means[second]) > self.critical_difference)


def mean_ranks(values: ArrayLike, *, higher_is_better: bool | list[bool]) -> MeanRanks:
    """Rank methods in each block.

    Args:
        values: (blocks, methods) finite values.
        higher_is_better: for all blocks, or for each.
    Raises: ValueError for fewer than FEWEST_BLOCKS blocks or FEWEST_METHODS methods, of which there is no test.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    table = np.asarray(values, np.float64)
    blocks, methods = table.shape
    if blocks < FEWEST_BLOCKS or methods < FEWEST_METHODS:
        raise ValueError(f"ranks need {FEWEST_BLOCKS} blocks and {FEWEST_METHODS} methods at least")
    signs = np.where(np.broadcast_to(np.asarray(higher_is_better), (blocks,)), -1.0, 1.0)
    ranks = np.asarray(rankdata([_merged(block) for block in table * signs[:, None]], axis=1), np.float64)
    p = 1.0 if np.ptp(ranks) == 0 else float(friedmanchisquare(*ranks.T).pvalue)
    quantile = float(studentized_range.isf(LEVEL, methods, np.inf)) / 2**0.5
    return MeanRanks(ranks, ranks.mean(0), p, quantile * (methods * (methods + 1) / (6 * blocks)) ** 0.5)


def _merged(block: Floats) -> Floats:
    """Return the values of a block, (methods,), with one value for all that differ by rounding alone, each from the next."""
    order = np.argsort(block)
    values = block[order]
    scale = np.maximum(np.abs(values[1:]), np.abs(values[:-1]))
    is_new = np.concatenate([[True], np.diff(values) > ZERO * scale])
    merged = np.empty_like(block)
    merged[order] = values[np.maximum.accumulate(np.where(is_new, np.arange(len(values)), 0))]
    return merged
