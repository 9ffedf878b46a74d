"""The standard error of FID without a formula for it: from distances of sets that are drawn from the images again.

Bootstrap (Efron 1979): the standard error is the deviation of the distance over sets of n images drawn with replacement.

Split halves: let the distance of n images have the variance σ²/n. For a random split into a and b images, a + b = n,

    E (d_a - d_b)² = σ² (1/a + 1/b) = σ² n / (ab),        so that        σ / √n = √( ab E (d_a - d_b)² ) / n.

FID's bias by the number of images is nearly the same in both halves, and drops out of the difference.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.features import Moments, StreamingMoments
from harness.process import stop
from harness_image_metrics.frechet import frechet_distance

BLOCK = 4096
"""Rows that are in memory at once."""
Rows = NDArray[np.float32]


def bootstrap(rows: Rows, reference: Moments, resamples: int, generator: torch.Generator) -> float:
    """Return the standard error over sets drawn with replacement, in units of the distance.

    Args:
        rows: (n, D), n >= 2, possibly on disk. reference: moments of the real images, which are not drawn again.
        resamples: number of sets.
    """
    return float(np.std(list(_distances_of_drawn_sets(rows, reference, resamples, generator)), ddof=1))


def _distances_of_drawn_sets(rows: Rows, reference: Moments, resamples: int, generator: torch.Generator) -> Iterator[float]:
    n = len(rows)
    for _ in range(resamples):
        counts = torch.bincount(torch.randint(n, (n,), generator=generator), minlength=n)
        yield frechet_distance(counted_moments(rows, counts), reference)


def split_half(rows: Rows, reference: Moments, splits: int, generator: torch.Generator) -> float:
    """Return the standard error from random splits into halves. The arguments are those of `bootstrap`; n >= 4."""
    n = len(rows)
    half = n // 2
    squares = []
    for _ in range(splits):
        in_first = torch.zeros(n, dtype=torch.long)
        in_first[torch.randperm(n, generator=generator)[:half]] = 1
        first, second = (frechet_distance(counted_moments(rows, counts), reference) for counts in (in_first, 1 - in_first))
        squares.append((first - second) ** 2)
    return float(np.sqrt(np.mean(squares) * half * (n - half))) / n


def counted_moments(rows: Rows, counts: Tensor) -> Moments:
    """Return the moments of rows (n, D), each taken as often as `counts` (n,) says. A block of rows is in memory at a time."""
    streamed = StreamingMoments()
    for start in range(0, len(rows), BLOCK):
        stop.check()
        (drawn,) = torch.nonzero(counts[start : start + BLOCK], as_tuple=True)
        if len(drawn):
            block = np.asarray(rows[start : start + BLOCK])[drawn.numpy()]
            streamed.add(torch.from_numpy(block), counts[start + drawn])
    return streamed.result()
