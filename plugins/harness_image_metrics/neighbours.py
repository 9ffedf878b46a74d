"""Precision, recall, density and coverage from balls that reach to the k-th neighbour.

Sources: Kynkäänniemi et al. 2019, Section 3 (precision, recall); Naeem et al. 2020, Section 3 (density, coverage).
Distances are in float64 and in blocks: three passes over all pairs serve all four.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import stop
from harness.features import FeatureSet
from harness_image_metrics import NeighboursConfig
from harness_image_metrics.limits import enough_for_neighbours

BLOCK = 1024
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
        enough_for_neighbours(self.config, min(len(generated), len(real)), {})
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


def _balls(generated: FeatureSet, real: FeatureSet, k: int) -> Balls:
    centre = torch.from_numpy(np.asarray(real.rows()[:BLOCK], np.float64)).mean(0)
    x, y = (torch.from_numpy(np.array(one.rows(), np.float64)).sub_(centre) for one in (generated, real))
    radius_x, radius_y = (_nearest(*one, k)[:, k] * (1 + ROUNDING) for one in ((generated, x), (real, y)))
    of_real, of_generated = [], torch.zeros(len(y), dtype=torch.int64)
    covered = torch.zeros(len(y), dtype=torch.bool)
    for start, squared in _squared_distances(x, y):
        inside = squared <= radius_y
        of_real.append(inside.sum(1))
        covered |= inside.any(0)
        of_generated += (squared <= radius_x[start : start + len(squared), None]).sum(0)
    return Balls(torch.cat(of_real).numpy(), of_generated.numpy(), covered.numpy())


NEIGHBOURS = 8
"""Neighbours that one pass remembers, beside the image itself: enough for every default k."""


def _nearest(features: FeatureSet, rows: Tensor, k: int) -> Tensor:
    """(n, k + 1 or more) squared distances to the nearest images of the set, ascending, itself first."""
    most = max(k, NEIGHBOURS)
    return features.remembered(("nearest", most), lambda: _within(rows, most))


def _within(rows: Tensor, k: int) -> Tensor:
    parts = []
    for start, squared in _squared_distances(rows, rows):
        # An image is at distance 0 from itself, and not at the rounding of it.
        squared[torch.arange(len(squared)), start + torch.arange(len(squared))] = 0
        parts.append(squared.topk(min(k + 1, len(rows)), dim=1, largest=False).values)
    return torch.cat(parts)


def _squared_distances(x: Tensor, y: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Blocks (B, len(y)) of squared distances, with the index of their first row. Rows are near their common centre."""
    y_norms = y.square().sum(1)
    for start in range(0, len(x), BLOCK):
        stop.check()
        part = x[start : start + BLOCK]
        yield start, torch.addmm(y_norms, part, y.T, alpha=-2).add_(part.square().sum(1, keepdim=True)).clamp_(min=0)
