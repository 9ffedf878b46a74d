"""Log-likelihoods of a model at the weight and the noise levels that a round asks for."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from harness.capabilities import BoundWeighting, Likelihood, WeightedBound
from harness.training.rounds import Round
from harness_ddo import DDOConfig


class Weighted:
    """A `Likelihood` whose terms have another weight, or are drawn at other noise levels, than the model's own."""

    def __init__(self, model: nn.Module, weighting: BoundWeighting) -> None:
        self.model, self.weighting = model, weighting

    def draw(self, x: Tensor, generator: torch.Generator) -> object:
        """Draw noise levels, or steps, and noise."""
        return cast(WeightedBound, self.model).draw_weighted(x, generator, self.weighting)

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return the weighted term of each example, (B,), summed over dimensions."""
        return cast(WeightedBound, self.model).weighted_bound(x, labels, draw, self.weighting)


def weighted(model: nn.Module, config: DDOConfig, part: Round) -> Likelihood:
    """Return the model's likelihood as the settings weight it in a round; the model itself where they change nothing."""
    weighting = BoundWeighting(config.weight, config.value("p_mean", part), config.value("p_std", part))
    return cast(Likelihood, model) if weighting == BoundWeighting() else Weighted(model, weighting)
