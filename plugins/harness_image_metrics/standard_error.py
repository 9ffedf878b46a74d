"""Standard error of FID: from its influence function, or by drawing from the images again (`resampling.py`).

The influence function is what each image adds to the distance, to first order. With A = Lᵀ Σ L and L Lᵀ the reference's
covariance, the derivative of −2 tr A^½ by Σ is −T, T = L A^(−½) Lᵀ. So an image with features x moves the distance by
2 (μ − μ_ref)·(x − μ) + (x − μ)ᵀ (I − T)(x − μ) − tr (I − T) Σ, over n; the standard deviation of that over the images, by
√n, is the standard error (the infinitesimal jackknife). None of the three says anything of FID's bias, which falls as 1/n.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from harness.components import MetricUsage
from harness.features import FeatureSet, Moments
from harness_image_metrics import StandardErrorConfig
from harness_image_metrics.frechet import Matrix, factor
from harness_image_metrics.limits import enough_for_features, enough_for_standard_error
from harness_image_metrics.resampling import bootstrap, split_half

BLOCK = 4096
CUTOFF = 1e-12
"""Of the largest eigenvalue of A: directions below it are rounding, and carry no weight."""


class FrechetStandardError:
    """Of `fid`, over the choice of generated images; the reference is taken as it is."""

    def __init__(self, config: StandardErrorConfig) -> None:
        self.config = config

    def __call__(self, generated: FeatureSet, real: FeatureSet, generator: torch.Generator) -> Mapping[str, float]:
        """{"fid-se": standard error}. Raises: UserError for too few images."""
        moments, reference, rows = generated.moments(), real.moments(), generated.rows()
        enough_for_standard_error(self.config, MetricUsage(moments.n, {"features": len(moments.mean)}))
        enough_for_features(self.config, MetricUsage(reference.n, {"features": len(reference.mean)}))
        if self.config.by == "influence":
            return {"fid-se": by_influence(rows, moments, reference)}
        assert self.config.resamples is not None
        estimate = bootstrap if self.config.by == "bootstrap" else split_half
        return {"fid-se": estimate(rows, reference, self.config.resamples, generator)}


def by_influence(rows: NDArray[np.float32], moments: Moments, reference: Moments) -> float:
    """Of rows (n, D), possibly on disk, and their moments; in units of the distance."""
    weight = np.eye(len(moments.mean)) - transport(moments, reference)
    slope = 2 * (moments.mean - reference.mean)
    influence = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        centred = np.asarray(rows[start : start + BLOCK], np.float64) - moments.mean
        influence[start : start + BLOCK] = centred @ slope + np.einsum("nd,nd->n", centred @ weight, centred)
    return float(influence.std(ddof=1) / np.sqrt(len(rows)))


def transport(moments: Moments, reference: Moments) -> Matrix:
    """T (D, D): the linear map that takes one centred normal distribution to the other."""
    lower = factor(reference.covariance)
    values, vectors = np.linalg.eigh(lower.T @ moments.covariance @ lower)
    kept = values > CUTOFF * values[-1]
    half = lower @ vectors[:, kept] / values[kept] ** 0.25
    return half @ half.T
