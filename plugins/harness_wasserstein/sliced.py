"""Sliced Wasserstein-2 distance by random projections."""

from __future__ import annotations

from collections.abc import Mapping

import ot
import torch

from harness.interfaces import Batch
from harness_wasserstein import SlicedConfig
from harness_wasserstein.inputs import point_sets


class SlicedW2:
    """sqrt(mean over directions of the squared one-dimensional distance), in units of the data.

    For a pure translation by v in d dimensions it tends to |v| / sqrt(d) as projections grow. float64.
    """

    def __init__(self, config: SlicedConfig) -> None:
        self.config = config

    def __call__(self, generated: Batch, real: Batch, generator: torch.Generator) -> Mapping[str, float]:
        """{"sliced-w2": distance}. Errors: as `point_sets`."""
        x, y = point_sets(generated, real)
        value = ot.sliced_wasserstein_distance(x, y, n_projections=self.config.projections, p=2, seed=self.config.seed)
        return {"sliced-w2": float(value)}


def build(config: SlicedConfig) -> SlicedW2:
    """The metric with its settings."""
    return SlicedW2(config)
