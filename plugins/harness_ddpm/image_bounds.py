"""Bounds that a walk takes from what is known of images: their values are in [-1, 1], and the last noise is seen in the sample.

So Bao et al. bound the predicted image, the variance of a step, and the noise of the last noisy step.
"""

from __future__ import annotations

import math

from torch import Tensor

from harness.interfaces import DataSpec

GREY_LEVEL = 2 / 255
"""The step between two grey levels of 8 bits, where black is -1 and white is 1."""


def of_images(spec: DataSpec) -> bool:
    """Whether examples are images, so that the bounds hold. Points and latents have no range that is known."""
    return spec.preview == "images"


def largest_variance_of_noise(spec: DataSpec, alpha_bar: float) -> float:
    """Return the largest Var(eps | x) that a coordinate can have at a step with the share `alpha_bar` of signal variance.

    A number in [-1, 1] has a variance of at most 1, and Var(eps | x) is alpha_bar / (1 - alpha_bar) times that of the clean
    number. At the noisiest steps the bound is far below 1, so that small errors of an estimate do no harm.
    Of points no bound is known at a single x; the mean over x is at most 1, so 1 is returned.
    Source: Bao et al. 2022 (Analytic-DPM), Theorem 2; their two samplers clip the variance of the clean number to [0, 1].
    """
    return alpha_bar / (1 - alpha_bar) if of_images(spec) else 1.0


def largest_std_of_noise(grey_levels: float) -> float:
    """Return the standard deviation of noise whose mean size is `grey_levels`: E |s z| = s sqrt(2 / pi) for z ~ N(0, 1).

    Source: Bao et al. 2022 (Analytic-DPM), whose code so bounds the noise of the last noisy step.
    """
    return math.sqrt(math.pi / 2) * grey_levels * GREY_LEVEL


def noise_of_clipped(x: Tensor, eps: Tensor, alpha_bar: float) -> Tensor:
    """Return the noise that leads from x to the predicted clean image once that is clipped to [-1, 1], (B, …).

    Args:
        x: states with the share `alpha_bar` of signal variance, (B, …).
        eps: the predicted noise, (B, …).
    """
    signal, noise = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    return (x - signal * ((x - noise * eps) / signal).clamp(-1, 1)) / noise
