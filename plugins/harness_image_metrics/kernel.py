"""KID, the kernel distance: the squared maximum mean discrepancy of random subsets, with a cubic kernel.

With k(x, y) = (x·y / D + 1)³, the unbiased estimate from m rows of each set is

    MMD² = 1/(m(m-1)) sum over i != j of (k(x_i, x_j) + k(y_i, y_j)) - 2/m² sum over i, j of k(x_i, y_j).

A row's kernel with itself is left out, which makes the mean right at any m. Unlike FID, the estimate has no bias that depends on
the number of images, and its values for two sets of one distribution lie on both sides of 0.
Sources: Bińkowski et al. 2018, Section 4 (the kernel); Gretton et al. 2012, Eq. 3 (the estimate).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from harness.components import MetricUsage
from harness.features import FeatureSet
from harness.process import stop
from harness_image_metrics import KernelConfig
from harness_image_metrics.limits import enough_for_subsets

Rows = NDArray[np.float64]
Pair = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Which rows of the first and of the second set are in a pair of subsets."""
BLOCK = 1024
"""Rows of each set whose kernel is in memory at once."""


class KernelDistance:
    """The mean of the unbiased estimate over random subsets, which are those that torch-fidelity draws."""

    def __init__(self, config: KernelConfig) -> None:
        self.config = config

    def __call__(self, generated: FeatureSet, real: FeatureSet, generator: torch.Generator) -> Mapping[str, float]:
        """Return {"kid": mean, "kid sd": standard deviation over subsets}.

        There is no deviation where every subset is the whole of both sets. Raises: UserError for fewer images than a subset has.
        """
        first, second, size = generated.rows(), real.rows(), self.config.subset_size
        enough_for_subsets(self.config, MetricUsage(min(len(first), len(second))))
        # NumPy's older generator: the subsets are the ones that torch-fidelity draws, whatever NumPy's version.
        random = np.random.RandomState(self.config.seed)
        pairs = [
            (random.choice(len(first), size, replace=False), random.choice(len(second), size, replace=False))
            for _ in range(self.config.subsets)
        ]
        # Few images are in many subsets each: then one kernel between all of them costs less than a kernel of every subset.
        if max(len(first), len(second)) ** 2 <= self.config.subsets * size**2:
            values = shared_mmds(first, second, pairs)
        else:
            values = [squared_mmd(first[x].astype(np.float64), second[y].astype(np.float64)) for x, y in pairs]
        spread = {} if size == len(first) == len(second) else {"kid sd": float(np.std(values))}
        return {"kid": float(np.mean(values)), **spread}


def squared_mmd(x: Rows, y: Rows) -> float:
    """Return the unbiased estimate of MMD² between rows (m, D) and (m, D), m >= 2."""
    m = len(x)
    within = [(gram.sum() - np.trace(gram)) / (m * (m - 1)) for gram in (_kernel(x, x), _kernel(y, y))]
    return float(sum(within) - 2 * _kernel(x, y).mean())


def shared_mmds(first: NDArray[np.floating], second: NDArray[np.floating], pairs: Sequence[Pair]) -> list[float]:
    """Return `squared_mmd` of each pair of subsets of rows (n, D) and (k, D), from one kernel between all rows.

    With the vector a that is 1 at a subset's members and 0 elsewhere, the sum of a kernel K over the subset's pairs is aᵀ K a.
    """
    m = len(pairs[0][0])
    x, y = (_indicators([pair[side] for pair in pairs], n) for side, n in ((0, len(first)), (1, len(second))))
    within = (_sums_within(first, x) + _sums_within(second, y)) / (m * (m - 1))
    values: list[float] = (within - 2 * _sums_between(first, second, x, y) / m**2).tolist()
    return values


def _indicators(subsets: Sequence[NDArray[np.int64]], n: int) -> Rows:
    """Return for each subset the vector that is 1 at its members and 0 elsewhere, (subsets, n)."""
    indicators = np.zeros((len(subsets), n))
    for indicator, subset in zip(indicators, subsets, strict=True):
        indicator[subset] = 1
    return indicators


def _sums_between(a: NDArray[np.floating], b: NDArray[np.floating], in_a: Rows, in_b: Rows) -> Rows:
    """Return for each subset the sum of the kernel between its rows of a and its rows of b, (subsets,)."""
    sums = np.zeros(len(in_a))
    for rows in _blocks(len(a)):
        x = a[rows].astype(np.float64)
        for columns in _blocks(len(b)):
            stop.check()
            sums += ((in_a[:, rows] @ _kernel(x, b[columns].astype(np.float64))) * in_b[:, columns]).sum(1)
    return sums


def _sums_within(a: NDArray[np.floating], in_a: Rows) -> Rows:
    """Return for each subset the sum of the kernel over its pairs of different rows of a, (subsets,)."""
    sums = np.zeros(len(in_a))
    for rows in _blocks(len(a)):
        x = a[rows].astype(np.float64)
        on_diagonal = _kernel(x, x)
        np.fill_diagonal(on_diagonal, 0)
        sums += ((in_a[:, rows] @ on_diagonal) * in_a[:, rows]).sum(1)
        # The kernel is symmetric: the blocks below the diagonal are those above it once more.
        sums += 2 * _sums_between(a[rows], a[rows.stop :], in_a[:, rows], in_a[:, rows.stop :])
    return sums


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))


def _kernel(x: Rows, y: Rows) -> Rows:
    """Return (x·y / D + 1)³ between rows (m, D) and (n, D), (m, n)."""
    gram = x @ y.T
    gram /= x.shape[1]
    gram += 1
    # Two products in place: a power of three would call pow for each entry.
    cube = gram * gram
    cube *= gram
    return cube
