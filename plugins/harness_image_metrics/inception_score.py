"""The Inception Score, exp( E over x of KL( p(y|x) ‖ p(y) ) ), with splits as torch-fidelity makes them.

It is high where each image has a sure class and the images together have many: the mean divergence is the entropy of p(y) less
the mean entropy of p(y|x). Source: Salimans et al. 2016, Section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from harness.components import MetricUsage
from harness.features import FeatureSet
from harness_image_metrics import InceptionScoreConfig
from harness_image_metrics.limits import enough_for_splits


class InceptionScore:
    """The mean over splits of the score of a split, in which p(y) is the mean of p(y|x) over the split; at least 1."""

    def __init__(self, config: InceptionScoreConfig) -> None:
        self.config = config

    def __call__(self, generated: FeatureSet, real: FeatureSet, generator: torch.Generator) -> Mapping[str, float]:
        """Return {"is": mean, "is sd": standard deviation over splits}. Raises: UserError for fewer images than splits."""
        rows, splits = generated.rows("logits"), self.config.splits
        enough_for_splits(self.config, MetricUsage(len(rows)))
        order = np.random.RandomState(self.config.seed).permutation(len(rows))
        ends = [i * len(rows) // splits for i in range(splits + 1)]
        # One split at a time: logits of 50,000 images and 1,008 classes would be 400 MB.
        scores = [_score(torch.from_numpy(rows[order[start:end]]).double()) for start, end in pairwise(ends)]
        return {"is": float(np.mean(scores)), "is sd": float(np.std(scores))}


def _score(logits: Tensor) -> float:
    """Return the score of a split from its logits (n, classes)."""
    log_p = logits.log_softmax(1)
    marginal = log_p.exp().mean(0)
    # A class of probability 0 adds 0 to the divergence, and not NaN.
    log_marginal = torch.where(marginal > 0, marginal, 1.0).log()
    return float((log_p.exp() * (log_p - log_marginal)).sum(1).mean().exp())
