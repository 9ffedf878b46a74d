"""Kernel distance (KID): squared maximum mean discrepancy over random subsets. Source: Bińkowski et al. 2018, Section 4."""

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
BLOCK = 1024


class KernelDistance:
    """Mean of the unbiased estimate over subsets; slightly below 0 when sets are alike. Subsets as torch-fidelity draws them."""

    def __init__(self, config: KernelConfig) -> None:
        self.config = config

    def __call__(self, generated: FeatureSet, real: FeatureSet, generator: torch.Generator) -> Mapping[str, float]:
        """{"kid": mean, "kid sd": standard deviation over subsets}, the latter unless every subset is the whole of both sets.

        Raises: UserError for fewer images than a subset has.
        """
        first, second, size = generated.rows(), real.rows(), self.config.subset_size
        enough_for_subsets(self.config, MetricUsage(min(len(first), len(second))))
        # NumPy's older generator: the subsets are the ones that torch-fidelity draws, whatever NumPy's version.
        subsets = np.random.RandomState(self.config.seed)
        chosen = [
            (subsets.choice(len(first), size, replace=False), subsets.choice(len(second), size, replace=False))
            for _ in range(self.config.subsets)
        ]
        # Few images are in many subsets: then the kernel between all of them costs less than that of every subset.
        if max(len(first), len(second)) ** 2 <= self.config.subsets * size**2:
            values = shared_mmds(first, second, chosen)
        else:
            values = [squared_mmd(first[x].astype(np.float64), second[y].astype(np.float64)) for x, y in chosen]
        spread = {} if size == len(first) == len(second) else {"kid sd": float(np.std(values))}
        return {"kid": float(np.mean(values)), **spread}


def squared_mmd(x: Rows, y: Rows) -> float:
    """Unbiased squared maximum mean discrepancy between rows (m, D) and (m, D), m >= 2, with the cubic kernel."""
    m = len(x)
    within = [(gram.sum() - np.trace(gram)) / (m * (m - 1)) for gram in (_kernel(x, x), _kernel(y, y))]
    return float(sum(within) - 2 * _kernel(x, y).mean())


def shared_mmds(first: NDArray[np.floating], second: NDArray[np.floating], chosen: Sequence[Pair]) -> list[float]:
    """`squared_mmd` of each pair of subsets of rows (n, D) and (k, D), from one kernel between all rows.

    A sum over a subset is a product with the vector that has ones at its members.
    """
    m = len(chosen[0][0])
    x, y = (_members([pair[side] for pair in chosen], n) for side, n in ((0, len(first)), (1, len(second))))
    within = (_sums_within(first, x) + _sums_within(second, y)) / (m * (m - 1))
    found: list[float] = (within - 2 * _sums_between(first, second, x, y) / m**2).tolist()
    return found


def _members(subsets: Sequence[NDArray[np.int64]], n: int) -> Rows:
    """(subsets, n), 1 where a subset has a row."""
    members = np.zeros((len(subsets), n))
    for row, subset in zip(members, subsets, strict=True):
        row[subset] = 1
    return members


def _sums_between(a: NDArray[np.floating], b: NDArray[np.floating], of_a: Rows, of_b: Rows) -> Rows:
    """(subsets,) sums of the kernel over each subset's pairs."""
    sums = np.zeros(len(of_a))
    for rows in _blocks(len(a)):
        x = a[rows].astype(np.float64)
        for columns in _blocks(len(b)):
            stop.check()
            sums += ((of_a[:, rows] @ _kernel(x, b[columns].astype(np.float64))) * of_b[:, columns]).sum(1)
    return sums


def _sums_within(a: NDArray[np.floating], of_a: Rows) -> Rows:
    """(subsets,) sums of the kernel over each subset's pairs of different rows."""
    sums = np.zeros(len(of_a))
    for rows in _blocks(len(a)):
        x = a[rows].astype(np.float64)
        own = _kernel(x, x)
        np.fill_diagonal(own, 0)
        sums += ((of_a[:, rows] @ own) * of_a[:, rows]).sum(1)
        # The kernel is symmetric: blocks on the other side of the diagonal are these once more.
        sums += 2 * _sums_between(a[rows], a[rows.stop :], of_a[:, rows], of_a[:, rows.stop :])
    return sums


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, n, BLOCK))


def _kernel(x: Rows, y: Rows) -> Rows:
    gram = x @ y.T
    gram /= x.shape[1]
    gram += 1
    # Two products in place; a power of three would call pow for each entry.
    square = gram * gram
    square *= gram
    return square
