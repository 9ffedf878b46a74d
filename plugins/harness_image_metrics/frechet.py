"""The Fréchet distance between two normal distributions, in float64, by the fastest way that keeps its digits.

    d² = |μ₁ - μ₂|² + tr Σ₁ + tr Σ₂ - 2 tr (Σ₁ Σ₂)^½             Heusel et al. 2017, Eq. 6; Dowson & Landau 1982

Nearly all work is in the last trace. With a factor Σ₁ = L Lᵀ, the matrices Σ₁ Σ₂ = L (Lᵀ Σ₂) and Lᵀ Σ₂ L have the same
eigenvalues λ but for zeros, and Lᵀ Σ₂ L is symmetric and positive semi-definite. So

    tr (Σ₁ Σ₂)^½ = Σ √λ(Lᵀ Σ₂ L),

which takes eigenvalues of a symmetric matrix and no square root of a matrix: at 2,048 features a tenth of the time of
`scipy.linalg.sqrtm`. With factors of both, Σ₂ = M Mᵀ, it is also the sum of the singular values of Lᵀ M, its nuclear norm.
Singular values keep digits that eigenvalues lose: a singular value s near 0 has the eigenvalue s², which drowns in rounding, and
the root of rounding is far larger than s. That is the way for covariances of fewer images than features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import blas, eigh, lapack

from harness.components import MetricUsage
from harness.features import FeatureSet, Moments
from harness_image_metrics import FrechetConfig
from harness_image_metrics.limits import enough_for_features, enough_for_spatial
from harness_image_metrics.pairs import remembered_of_pair

Matrix = NDArray[np.float64]
TOLERANCE = 1e-10
"""Largest rounding error of eigenvalues that is accepted, as a share of the sum of traces. Above it, singular values are
computed."""
RELATIVE = 1e-8
"""Largest accepted rounding error as a share of the distance itself. The larger of the two bounds counts."""
SINGULAR = 1e-13
"""Smallest over largest squared pivot of a Cholesky factor, below which its matrix is singular and the factor is rounding."""


def frechet_distance(first: Moments, second: Moments) -> float:
    """Return the squared distance d², which is what papers report as FID, at least 0.

    Moments are (D,) and (D, D); covariances may be singular.
    Raises: ValueError for different sizes or values that are not finite.
    """
    _check(first, second)
    difference = first.mean - second.mean
    between_means = float(difference @ difference)
    traces = float(np.trace(first.covariance) + np.trace(second.covariance))
    root = trace_of_root(first.covariance, second.covariance, between_means=between_means)
    return max(between_means + traces - 2 * root, 0.0)


def _check(first: Moments, second: Moments) -> None:
    for moments in (first, second):
        sizes = (moments.mean.shape, moments.covariance.shape)
        if sizes != (first.mean.shape, 2 * first.mean.shape):
            raise ValueError(f"moments of different sizes: {sizes[0]}, {sizes[1]}, {first.mean.shape}")
        if not (np.isfinite(moments.mean).all() and np.isfinite(moments.covariance).all()):
            raise ValueError("moments have values that are not finite")


def trace_of_root(first: Matrix, second: Matrix, *, between_means: float = 0.0) -> float:
    """Return tr (Σ₁ Σ₂)^½ of two symmetric positive semi-definite matrices (D, D).

    Args:
        between_means: |μ₁ - μ₂|². A distance that is large by it does not show the last digits of the trace, which then
            need no further work.
    """
    traces = float(np.trace(first) + np.trace(second))

    def suffices(total: float, error: float) -> bool:
        return error <= max(TOLERANCE * traces, RELATIVE * (between_means + traces - 2 * total))

    for factored, other in ((first, second), (second, first)):
        lower, failed = lapack.dpotrf(factored, lower=1, clean=1)
        squared_pivots = np.diagonal(lower) ** 2
        if not failed and squared_pivots.min() > SINGULAR * squared_pivots.max():
            # Lᵀ Σ L by LAPACK's routine for generalised eigenvalues: half the work of two products.
            inner, _ = lapack.dsygst(other, lower, itype=2, lower=1)
            total, error = _sum_of_roots(inner)
            if suffices(total, error):
                return total
            break
    return _trace_by_factors(first, second, suffices)


def _trace_by_factors(first: Matrix, second: Matrix, suffices: Callable[[float, float], bool]) -> float:
    """Return the trace as the nuclear norm of L₁ᵀ L₂, where the factors have as many columns as their matrices have rank."""
    product = factor(first).T @ factor(second)
    if product.shape[0] > product.shape[1]:
        product = product.T
    total, error = _sum_of_roots(blas.dsyrk(1.0, product.T, trans=1, lower=1) if product.size else product)
    if suffices(total, error):
        return total
    # The squares of small singular values drown in rounding; the singular values do not.
    return float(torch.linalg.svdvals(torch.from_numpy(product)).sum())


def _sum_of_roots(lower: Matrix) -> tuple[float, float]:
    """Return the sum of the roots of the eigenvalues, and a bound of its error. Only the lower triangle is read."""
    if not lower.size:
        return 0.0, 0.0
    # LAPACK's routine for the eigenvalues alone: SciPy's is the faster of the two libraries' here, at most sizes.
    values = eigh(lower, eigvals_only=True, driver="evd", lower=True, check_finite=False)
    largest = max(float(values[-1]), np.finfo(np.float64).tiny)
    # Rounding moves an eigenvalue λ by about δ = eps times the largest one, and its root by δ / (2 √λ), but at most by √δ.
    delta = np.finfo(np.float64).eps * largest
    roots = np.sqrt(values.clip(min=0))
    return float(roots.sum()), float((delta / np.maximum(2 * roots, np.sqrt(delta))).sum())


def factor(covariance: Matrix) -> Matrix:
    """Return L (D, r) with L Lᵀ the covariance and r its numerical rank, by Cholesky's method with pivots."""
    packed, pivots, rank, _ = lapack.dpstrf(covariance, lower=1, tol=-1)
    lower = np.zeros((len(covariance), rank))
    lower[pivots - 1] = np.tril(packed)[:, :rank]
    return lower


class FrechetMetric:
    """The distance between the moments of two sets.

    Args:
        name: of the value. need: "moments" or "spatial", which moments are compared.
        check: raises UserError for too few images.
    """

    def __init__(self, config: FrechetConfig, name: str, need: str, check: Callable[[FrechetConfig, MetricUsage], None]) -> None:
        self.config, self.name, self.need, self.check = config, name, need, check

    def __call__(self, generated: FeatureSet, real: FeatureSet, generator: torch.Generator) -> Mapping[str, float]:
        """Return {name: squared distance}. Raises: UserError for too few images of either set."""
        moments, reference = generated.moments(self.need), real.moments(self.need)
        output = "spatial" if self.need == "spatial" else "features"
        for compared in (moments, reference):
            self.check(self.config, MetricUsage(compared.n, {output: len(compared.mean)}))
        # `fid` and `fd` are one number, which is computed once.
        what = ("frechet", self.need)
        return {self.name: remembered_of_pair(generated, real, what, lambda: frechet_distance(moments, reference))}


def fid(config: FrechetConfig) -> FrechetMetric:
    """Make the metric `fid`."""
    return FrechetMetric(config, "fid", "moments", enough_for_features)


def fd(config: FrechetConfig) -> FrechetMetric:
    """Make the metric `fd`, which is `fid` by its general name."""
    return FrechetMetric(config, "fd", "moments", enough_for_features)


def SpatialFrechet(config: FrechetConfig) -> FrechetMetric:
    """Make the metric `sfid`."""
    return FrechetMetric(config, "sfid", "spatial", enough_for_spatial)
