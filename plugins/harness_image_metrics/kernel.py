"""Kernel distance (KID): squared maximum mean discrepancy over random subsets. Source: Bińkowski et al. 2018, Section 4."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from harness.features import FeatureSet
from harness_image_metrics import KernelConfig
from harness_image_metrics.limits import enough_for_subsets

Rows = NDArray[np.float64]


class KernelDistance:
    """Mean of the unbiased estimate over subsets; slightly below 0 when sets are alike. Subsets as torch-fidelity draws them."""

    def __init__(self, config: KernelConfig) -> None:
        self.config = config

    def __call__(self, generated: FeatureSet, real: FeatureSet, generator: torch.Generator) -> Mapping[str, float]:
        """{"kid": mean, "kid sd": standard deviation over subsets}. Raises: UserError for fewer images than a subset has."""
        first, second, size = generated.rows(), real.rows(), self.config.subset_size
        enough_for_subsets(self.config, min(len(first), len(second)), {})
        # NumPy's older generator: the subsets are the ones that torch-fidelity draws, whatever NumPy's version.
        subsets = np.random.RandomState(self.config.seed)
        values = []
        for _ in range(self.config.subsets):
            x = first[subsets.choice(len(first), size, replace=False)].astype(np.float64)
            y = second[subsets.choice(len(second), size, replace=False)].astype(np.float64)
            values.append(squared_mmd(x, y))
        return {"kid": float(np.mean(values)), "kid sd": float(np.std(values))}


def squared_mmd(x: Rows, y: Rows) -> float:
    """Unbiased squared maximum mean discrepancy between rows (m, D) and (m, D), m >= 2, with the cubic kernel."""
    m = len(x)
    within = [(gram.sum() - np.trace(gram)) / (m * (m - 1)) for gram in (_kernel(x, x), _kernel(y, y))]
    return float(sum(within) - 2 * _kernel(x, y).mean())


def _kernel(x: Rows, y: Rows) -> Rows:
    gram = x @ y.T
    gram /= x.shape[1]
    gram += 1
    # Two products in place; a power of three would call pow for each entry.
    return gram * gram * gram
