"""The standard error of FID: from its influence function, or by drawing from the images again (`resampling.py`).

The influence function is what an image adds to the distance d²(μ, Σ), to first order in its weight 1/n. With L Lᵀ the reference's
covariance and A = Lᵀ Σ L,

    d²                = |μ - μ_ref|² + tr Σ + tr Σ_ref - 2 tr A^½
    derivative by μ   : 2 (μ - μ_ref)
    derivative by Σ   : I - T,    T = L A^(-½) Lᵀ               (tr A^½ has the derivative ½ A^(-½) by A)
    influence of x    : 2 (μ - μ_ref)·(x - μ) + (x - μ)ᵀ (I - T) (x - μ) - tr (I - T) Σ.

Its standard deviation over the images, over √n, is the standard error (the infinitesimal jackknife); the last term is the same
for all images. T is also the linear map of optimal transport between the two normal distributions. None of the three estimates
says anything about FID's bias, which falls as 1/n.
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
"""Rows that are in memory at once."""
CUTOFF = 1e-12
"""Share of the largest eigenvalue of A below which an eigenvalue is rounding: its direction is left out of A^(-½)."""


class FrechetStandardError:
    """The standard error of `fid` over the choice of generated images; the real images are taken as they are."""

    def __init__(self, config: StandardErrorConfig) -> None:
        self.config = config

    def __call__(self, generated: FeatureSet, real: FeatureSet, generator: torch.Generator) -> Mapping[str, float]:
        """Return {"fid-se": standard error}. Raises: UserError for too few images of either set."""
        moments, reference, rows = generated.moments(), real.moments(), generated.rows()
        enough_for_standard_error(self.config, MetricUsage(moments.n, {"features": len(moments.mean)}))
        enough_for_features(self.config, MetricUsage(reference.n, {"features": len(reference.mean)}))
        if self.config.by == "influence":
            return {"fid-se": by_influence(rows, moments, reference)}
        assert self.config.resamples is not None
        estimate = bootstrap if self.config.by == "bootstrap" else split_half
        return {"fid-se": estimate(rows, reference, self.config.resamples, generator)}


def by_influence(rows: NDArray[np.float32], moments: Moments, reference: Moments) -> float:
    """Return the standard error by the influence function, in units of the distance. rows: (n, D), possibly on disk."""
    weight = np.eye(len(moments.mean)) - transport(moments, reference)
    slope = 2 * (moments.mean - reference.mean)
    influence = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        centred = np.asarray(rows[start : start + BLOCK], np.float64) - moments.mean
        influence[start : start + BLOCK] = centred @ slope + np.einsum("nd,nd->n", centred @ weight, centred)
    return float(influence.std(ddof=1) / np.sqrt(len(rows)))


def transport(moments: Moments, reference: Moments) -> Matrix:
    """Return T = L A^(-½) Lᵀ, (D, D): the linear map that takes the one centred normal distribution to the other.

    Directions in which either has no variance are mapped to 0, so that T is 0 for constant features.
    """
    lower = factor(reference.covariance)  # (D, r), with r = 0 for constant features
    values, vectors = np.linalg.eigh(lower.T @ moments.covariance @ lower)
    above = values > CUTOFF * values.max(initial=0)
    half = lower @ vectors[:, above] / values[above] ** 0.25  # T = half halfᵀ, as A^(-½) = V λ^(-½) Vᵀ
    return half @ half.T
