"""EDM's samplers: the probability-flow ODE by Heun's or Euler's method, and Heun's with churn."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor

from harness.capabilities import Denoises
from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness_edm import EulerConfig, HeunConfig, StochasticConfig


def noise_levels(steps: int, *, low: float, high: float, rho: float) -> Tensor:
    """Noise levels, largest first, with a zero at the end.

    Args:
        steps: number of levels above zero, at least 2.
        low, high: smallest and largest level, as standard deviations in units of the data.
        rho: 1 spaces the levels evenly; larger values put more of them near `low`.
    Returns: (steps + 1,), float64. Raises: ValueError unless steps >= 2 and 0 < low < high.
    Source: Karras et al. 2022, Eq. 5.
    """
    if steps < 2 or not 0 < low < high:
        raise ValueError(f"need steps >= 2 and 0 < low < high, got {steps=}, {low=}, {high=}")
    levels = torch.linspace(high ** (1 / rho), low ** (1 / rho), steps, dtype=torch.float64) ** rho
    return torch.cat([levels, levels.new_zeros(1)])  # the last step lands on the data


class Heun:
    """Solves dx/dsigma = (x - D(x; sigma)) / sigma from the largest noise level to zero, at second order.

    Arithmetic outside the network is float64: the slope is a small difference divided by a small sigma near the data.
    Source: Karras et al. 2022, Algorithm 1.
    """

    config: HeunConfig

    def __init__(self, config: HeunConfig) -> None:
        self.config = config

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape), float32. Calls the network 2 * steps - 1 times."""
        low, high = cast(Denoises, model).sigma_range
        return self.solve(cast(Denoises, model), streams.normal(*spec.shape), labels, low=low, high=high).float()

    @torch.no_grad()
    def solve(self, model: Denoises, noise: Tensor, labels: Tensor | None, *, low: float, high: float) -> Tensor:
        """The samples that standard normal noise (n, …) leads to, (n, …), float64, over levels from `high` to `low`."""
        levels = noise_levels(self.config.steps, low=low, high=high, rho=self.config.rho).to(noise.device)
        x = levels[0] * noise.double()
        for sigma, following in pairwise(levels):
            x = self.step(model, x, sigma, following, labels)
        return x

    @staticmethod
    def step(model: Denoises, x: Tensor, sigma: Tensor, following: Tensor, labels: Tensor | None) -> Tensor:
        """From one noise level to the next lower one. x: (n, …), float64; the levels: 0-dim."""
        slope = (x - model.denoise(x, sigma, labels).double()) / sigma
        euler = x + (following - sigma) * slope
        if following == 0:  # the slope has no value at zero noise
            return euler
        corrected = (euler - model.denoise(euler, following, labels).double()) / following
        return x + (following - sigma) * (slope + corrected) / 2


class Euler(Heun):
    """Solves the same equation at first order, at one call a step. Source: Song et al. 2021; Karras et al. 2022."""

    def __init__(self, config: EulerConfig) -> None:
        super().__init__(config)

    @staticmethod
    def step(model: Denoises, x: Tensor, sigma: Tensor, following: Tensor, labels: Tensor | None) -> Tensor:
        """From one noise level to the next lower one."""
        return x + (following - sigma) * (x - model.denoise(x, sigma, labels).double()) / sigma


class Stochastic(Heun):
    """Heun's method from levels that are raised a little before each step, with fresh noise from each sample's stream.

    Source: Karras et al. 2022, Algorithm 2.
    """

    config: StochasticConfig

    def __init__(self, config: StochasticConfig) -> None:
        super().__init__(config)

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape), float32. Calls the network 2 * steps - 1 times."""
        network = cast(Denoises, model)
        low, high = network.sigma_range
        levels = noise_levels(self.config.steps, low=low, high=high, rho=self.config.rho).to(streams.device)
        x = levels[0] * streams.normal(*spec.shape).double()
        raises = [self.raised(float(level)) for level in levels[:-1]]
        fresh = streams.normals(sum(share > 0 for share in raises), *spec.shape)
        for share, (sigma, following) in zip(raises, pairwise(levels), strict=True):
            level = sigma
            if share > 0:
                level = sigma * (1 + share)
                x = x + (level**2 - sigma**2).sqrt() * self.config.s_noise * next(fresh).double()
            x = self.step(network, x, level, following, labels)
        return x.float()

    def raised(self, sigma: float) -> float:
        """By what share a level is raised before its step."""
        inside = self.config.s_min <= sigma <= self.config.s_max
        return min(self.config.s_churn / self.config.steps, math.sqrt(2) - 1) if inside else 0.0


def build(config: HeunConfig) -> Heun:
    """The sampler with its settings."""
    return Heun(config)
