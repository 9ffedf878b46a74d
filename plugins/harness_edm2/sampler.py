"""EDM2's sampling: Heun's method in float32 by default, and a second network as guide."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""(x, sigma) -> the denoised x; labels are already given."""


def noise_levels(steps: int, *, low: float, high: float, rho: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Noise levels from `high` to `low` and a zero at the end, (steps + 1,), computed in `dtype`.

    Source: Karras et al. 2022, Eq. 5.
    """
    share = torch.arange(steps, dtype=dtype) / (steps - 1)
    levels = (high ** (1 / rho) + share * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    return torch.cat([levels, levels.new_zeros(1)])


def guided(main: Denoiser, guide: Denoiser, weight: float) -> Denoiser:
    """guide + weight * (main - guide): away from the guide where weight > 1; main alone, at one call, where it is 1.

    Source: Ho and Salimans 2022; Karras et al. 2024 (autoguidance).
    """
    if weight == 1:
        return main

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        other = guide(x, sigma)
        return other.lerp(main(x, sigma), weight)

    return denoise


@torch.no_grad()
def heun(denoise: Denoiser, noise: Tensor, levels: Tensor) -> Tensor:
    """The samples that standard normal noise (n, …) leads to, in the precision of `levels`, which end at 0."""
    levels = levels.to(noise.device)
    x = noise.to(levels.dtype) * levels[0]
    for sigma, following in pairwise(levels):
        slope = (x - denoise(x, sigma).to(x.dtype)) / sigma
        euler = x + (following - sigma) * slope
        if following > 0:
            second = (euler - denoise(euler, following).to(x.dtype)) / following
            euler = x + (following - sigma) * (slope + second) / 2
        x = euler
    return x
