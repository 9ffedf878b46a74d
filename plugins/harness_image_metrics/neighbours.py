"""Precision, recall, density and coverage from balls that reach to the k-th neighbour.

Sources: Kynkäänniemi et al. 2019, Section 3 (precision, recall); Naeem et al. 2020, Section 3 (density, coverage).
Distances are in float64 and in tiles, of rows that are read from where they are, so that memory does not grow with the number
of images; three passes over all pairs serve all four.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

BLOCK = 1024
"""Images of the one set, and of the other, whose distances are in memory at once; so are their features in float64."""
ROUNDING = 1e-9
"""A ball holds its own edge, however the same distance was rounded the other way round."""


@dataclass(frozen=True)
class Balls:
    """Of two sets at one k. Counts are whole numbers.

    Args:
        of_real: (n generated,) balls of real images that each generated one lies in.
        of_generated: (n real,) balls of generated images that each real one lies in.
        covered: (n real,) whether its own ball holds a generated image.
    """

    of_real: NDArray[np.int64]
    of_generated: NDArray[np.int64]
    covered: NDArray[np.bool_]


class _Neighbours:
    def __init__(self, config: NeighboursConfig, name: str) -> None:
        self.config, self.name = config, name

    def __call__(self, generated: FeatureSet, real: FeatureSet, generator: torch.Generator) -> Mapping[str, float]:
        """{name: value}. Raises: UserError for k images or fewer."""
        enough_for_neighbours(self.config, MetricUsage(min(len(generated), len(real))))
        k = self.config.k
        found = balls(generated, real, k)
        value = {
            "precision": lambda: (found.of_real > 0).mean(),
            "recall": lambda: (found.of_generated > 0).mean(),
            "density": lambda: found.of_real.mean() / k,
            "coverage": lambda: found.covered.mean(),
        }[self.name]()
        return {self.name: float(value)}


def precision(config: NeighboursConfig) -> _Neighbours:
    """`precision`."""
    return _Neighbours(config, "precision")


def recall(config: NeighboursConfig) -> _Neighbours:
    """`recall`."""
    return _Neighbours(config, "recall")


def density(config: NeighboursConfig) -> _Neighbours:
    """`density`."""
    return _Neighbours(config, "density")


def coverage(config: NeighboursConfig) -> _Neighbours:
    """`coverage`."""
    return _Neighbours(config, "coverage")


def balls(generated: FeatureSet, real: FeatureSet, k: int) -> Balls:
    """Who lies in whose balls; worked out once for two sets, though four metrics ask."""
    key = ("balls", id(real), k)
    # The other set is kept beside the result: its id is not given to another as long as it lives.
    return generated.remembered(key, lambda: (real, _balls(generated, real, k)))[1]


class _Rows:
    """Rows of features in float64 around a centre, a block at a time, wherever they are kept."""

    def __init__(self, rows: NDArray[np.float32], centre: Tensor) -> None:
        self._rows, self._centre = rows, centre
        self.norms = torch.cat([block.square().sum(1) for _, block in self.blocks()])

    def __len__(self) -> int:
        return len(self._rows)

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """(B, D) and the index of the first row."""
        for start in range(0, len(self), BLOCK):
            yield start, torch.from_numpy(np.array(self._rows[start : start + BLOCK], np.float64)).sub_(self._centre)


def _balls(generated: FeatureSet, real: FeatureSet, k: int) -> Balls:
    # Distances lose no digits to a common centre that is taken off before.
    centre = torch.from_numpy(np.asarray(real.rows()[:BLOCK], np.float64)).mean(0)
    x, y = (_Rows(one.rows(), centre) for one in (generated, real))
    radius_x, radius_y = (_nearest(*one, k)[:, k] * (1 + ROUNDING) for one in ((generated, x), (real, y)))
    of_real, of_generated = torch.zeros(len(x), dtype=torch.int64), torch.zeros(len(y), dtype=torch.int64)
    covered = torch.zeros(len(y), dtype=torch.bool)
    for rows, columns, squared in _squared_distances(x, y):
        inside = squared <= radius_y[columns]
        of_real[rows] += inside.sum(1)
        covered[columns] |= inside.any(0)
        of_generated[columns] += (squared <= radius_x[rows, None]).sum(0)
    return Balls(of_real.numpy(), of_generated.numpy(), covered.numpy())


NEIGHBOURS = 8
"""Neighbours that one pass remembers, beside the image itself: enough for every default k."""


def _nearest(features: FeatureSet, rows: _Rows, k: int) -> Tensor:
    """(n, k + 1 or more) squared distances to the nearest images of the set, ascending, itself first."""
    most = max(k, NEIGHBOURS)
    return features.remembered(("nearest", most), lambda: _within(rows, most))


def _within(rows: _Rows, k: int) -> Tensor:
    nearest = torch.full((len(rows), min(k + 1, len(rows))), torch.inf, dtype=torch.float64)
    for some, others, squared in _squared_distances(rows, rows):
        if some == others:
            # An image is at distance 0 from itself, and not at the rounding of it.
            squared.fill_diagonal_(0)
        both = torch.cat([nearest[some], squared], dim=1)
        nearest[some] = both.topk(nearest.shape[1], dim=1, largest=False).values
    return nearest


def _squared_distances(x: _Rows, y: _Rows) -> Iterator[tuple[slice, slice, Tensor]]:
    """Tiles of squared distances, with the rows and columns that they are of. Rows are near their common centre."""
    for first, block in x.blocks():
        rows = slice(first, first + len(block))
        for second, other in y.blocks():
            stop.check()
            columns = slice(second, second + len(other))
            squared = torch.addmm(y.norms[columns], block, other.T, alpha=-2)
            yield rows, columns, squared.add_(x.norms[rows, None]).clamp_(min=0)
