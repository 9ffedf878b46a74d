"""Precision, recall, density and coverage from balls that reach from an image to its k-th nearest neighbour.

The ball B(z) of a feature vector z of a set has the centre z and the radius |z - its k-th nearest neighbour in the set|; the
union of all balls is an estimate of the set's support. With generated features x_1 … x_n and real ones y_1 … y_m:

    precision  = 1/n  sum over j of 1{x_j lies in the ball of some y_i}             Kynkäänniemi et al. 2019, Eq. 1 and 2
    recall     = 1/m  sum over i of 1{y_i lies in the ball of some x_j}             the same, with the sets exchanged
    density    = 1/kn sum over j of the number of i with x_j in the ball of y_i     Naeem et al. 2020, Section 3
    coverage   = 1/m  sum over i of 1{the ball of y_i holds some x_j}               Naeem et al. 2020, Section 3

An outlier among the real images has a huge ball, which makes precision forgiving; density counts balls, and moves little. An
outlier among the generated images does the same to recall; coverage takes balls of real images only.

Distances are computed in float64, in tiles of rows that are read from where they are stored, so that memory does not grow with
the number of images. The four metrics together need three passes over pairs: one in each set, and one between the sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.components import MetricUsage
from harness.features import FeatureSet
from harness.process import stop
from harness_image_metrics import NeighboursConfig
from harness_image_metrics.limits import enough_for_neighbours
from harness_image_metrics.pairs import remembered_of_pair

BLOCK = 1024
"""Rows and columns of a tile of distances in memory; the features of as many images are in memory in float64."""
ROUNDING = 1e-9
"""Relative excess of squared radii. A ball holds its edge: the same distance, computed the other way round, may be larger by
rounding."""
NEIGHBOURS = 8
"""Neighbours that one pass remembers, beside the image itself: enough for every default k."""


@dataclass(frozen=True)
class Balls:
    """Which images lie in whose balls, between n generated and m real images.

    Args:
        k: the neighbour that balls reach to.
        of_real: (n,), how many balls of real images hold each generated image.
        of_generated: (m,), how many balls of generated images hold each real image.
        covered: (m,), whether the ball of each real image holds a generated one.
    """

    k: int
    of_real: NDArray[np.int64]
    of_generated: NDArray[np.int64]
    covered: NDArray[np.bool_]


class BallMetric:
    """A metric that is a function of the balls."""

    def __init__(self, config: NeighboursConfig, name: str, value: Callable[[Balls], float]) -> None:
        self.config, self.name, self.value = config, name, value

    def __call__(self, generated: FeatureSet, real: FeatureSet, generator: torch.Generator) -> Mapping[str, float]:
        """Return {name: value}. Raises: UserError for k images or fewer."""
        enough_for_neighbours(self.config, MetricUsage(min(len(generated), len(real))))
        return {self.name: float(self.value(balls(generated, real, self.config.k)))}


def precision(config: NeighboursConfig) -> BallMetric:
    """Make the metric `precision`."""
    return BallMetric(config, "precision", lambda counts: (counts.of_real > 0).mean())


def recall(config: NeighboursConfig) -> BallMetric:
    """Make the metric `recall`."""
    return BallMetric(config, "recall", lambda counts: (counts.of_generated > 0).mean())


def density(config: NeighboursConfig) -> BallMetric:
    """Make the metric `density`."""
    return BallMetric(config, "density", lambda counts: counts.of_real.mean() / counts.k)


def coverage(config: NeighboursConfig) -> BallMetric:
    """Make the metric `coverage`."""
    return BallMetric(config, "coverage", lambda counts: counts.covered.mean())


def balls(generated: FeatureSet, real: FeatureSet, k: int) -> Balls:
    """Return which images lie in whose balls. It is computed once for two sets and a k, though four metrics ask."""
    return remembered_of_pair(generated, real, ("balls", k), lambda: _balls(generated, real, k))


class _Rows:
    """Rows of features in float64, less a common centre, read a block at a time from where they are stored."""

    def __init__(self, rows: NDArray[np.float32], centre: Tensor) -> None:
        self._rows, self._centre = rows, centre
        self.squared_norms = torch.cat([block.square().sum(1) for _, block in self.blocks()])

    def __len__(self) -> int:
        return len(self._rows)

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield which rows a block holds, and the block (B, D)."""
        for start in range(0, len(self), BLOCK):
            block = torch.from_numpy(np.array(self._rows[start : start + BLOCK], np.float64)).sub_(self._centre)
            yield slice(start, start + len(block)), block


def _balls(generated: FeatureSet, real: FeatureSet, k: int) -> Balls:
    # |x - y|² = |x|² - 2 x·y + |y|² loses digits where the norms are large. Subtracting a common centre makes the norms smaller
    # and changes no distance.
    centre = torch.from_numpy(np.asarray(real.rows()[:BLOCK], np.float64)).mean(0)
    x, y = _Rows(generated.rows(), centre), _Rows(real.rows(), centre)
    squared_radius_x, squared_radius_y = _squared_radius(generated, x, k), _squared_radius(real, y, k)
    of_real, of_generated = torch.zeros(len(x), dtype=torch.int64), torch.zeros(len(y), dtype=torch.int64)
    covered = torch.zeros(len(y), dtype=torch.bool)
    for rows, columns, squared in _squared_distances(x, y):
        in_ball_of_real = squared <= squared_radius_y[columns]
        of_real[rows] += in_ball_of_real.sum(1)
        covered[columns] |= in_ball_of_real.any(0)
        of_generated[columns] += (squared <= squared_radius_x[rows, None]).sum(0)
    return Balls(k, of_real.numpy(), of_generated.numpy(), covered.numpy())


def _squared_radius(features: FeatureSet, rows: _Rows, k: int) -> Tensor:
    """Return the squared distance of each image to its k-th nearest neighbour in its set, (n,)."""
    most = max(k, NEIGHBOURS)
    nearest = features.remembered(("nearest", most), lambda: _nearest(rows, most))
    return nearest[:, k] * (1 + ROUNDING)  # column 0 is the image itself


def _nearest(rows: _Rows, k: int) -> Tensor:
    """Return the squared distances of each image to the k + 1 nearest images of its set, ascending, itself first."""
    nearest = torch.full((len(rows), min(k + 1, len(rows))), torch.inf, dtype=torch.float64)
    for some, others, squared in _squared_distances(rows, rows):
        if some == others:
            # An image is at distance 0 from itself, and not at the rounding of it.
            squared.fill_diagonal_(0)
        candidates = torch.cat([nearest[some], squared], dim=1)
        nearest[some] = candidates.topk(nearest.shape[1], dim=1, largest=False).values
    return nearest


def _squared_distances(x: _Rows, y: _Rows) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield tiles of squared distances, each with the rows of x and the rows of y that it is of."""
    for rows, block in x.blocks():
        for columns, other in y.blocks():
            stop.check()
            squared = torch.addmm(y.squared_norms[columns], block, other.T, alpha=-2)
            yield rows, columns, squared.add_(x.squared_norms[rows, None]).clamp_(min=0)
