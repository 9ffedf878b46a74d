"""Standard error of FID without a formula for it: from distances of sets that are drawn from the images again.

Bootstrap (Efron 1979): the deviation of the distance over sets of n images drawn with replacement. Split halves: for a
random split in a and b images, E (d_a - d_b)² = σ² (1/a + 1/b) where n images have the variance σ²/n, so that the standard error
is √(E (d_a - d_b)² · ab) / n; the bias by the number of images is the same in both halves, and drops out.
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
Rows = NDArray[np.float32]


def bootstrap(rows: Rows, reference: Moments, resamples: int, generator: torch.Generator) -> float:
    """Of rows (n, D), n >= 2, possibly on disk, against a reference that is taken as it is; in units of the distance."""
    return float(np.std(list(_of_drawn_sets(rows, reference, resamples, generator)), ddof=1))


def _of_drawn_sets(rows: Rows, reference: Moments, resamples: int, generator: torch.Generator) -> Iterator[float]:
    n = len(rows)
    for _ in range(resamples):
        counts = torch.bincount(torch.randint(n, (n,), generator=generator), minlength=n)
        yield frechet_distance(counted_moments(rows, counts), reference)


def split_half(rows: Rows, reference: Moments, splits: int, generator: torch.Generator) -> float:
    """The same from random halves of rows (n, D), n >= 4."""
    n = len(rows)
    half = n // 2
    squares = []
    for _ in range(splits):
        in_first = torch.zeros(n, dtype=torch.long)
        in_first[torch.randperm(n, generator=generator)[:half]] = 1
        first, second = (frechet_distance(counted_moments(rows, one), reference) for one in (in_first, 1 - in_first))
        squares.append((first - second) ** 2)
    return float(np.sqrt(np.mean(squares) * half * (n - half))) / n


def counted_moments(rows: Rows, counts: Tensor) -> Moments:
    """Of rows (n, D), each as often as `counts` (n,) says; one block of them is in memory at a time."""
    streamed = StreamingMoments()
    for start in range(0, len(rows), BLOCK):
        stop.check()
        (kept,) = torch.nonzero(counts[start : start + BLOCK], as_tuple=True)
        if len(kept):
            block = np.asarray(rows[start : start + BLOCK])[kept.numpy()]
            streamed.add(torch.from_numpy(block), counts[start + kept])
    return streamed.result()
