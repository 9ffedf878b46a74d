"""EDM's samplers: the probability-flow ODE by Heun's or Euler's method, and Heun's method with churn.

With noise levels sigma in the place of time, the ODE that takes noise to data is

    dx / d sigma = (x - D(x; sigma)) / sigma,

since the score of the noisy data is (D(x; sigma) - x) / sigma^2. Equation numbers are those of Karras et al. 2022 (EDM, arXiv
2206.00364): Eqs. 1 and 3 with sigma(t) = t and s(t) = 1.
"""

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
    """Return the noise levels of a sampler, largest first, with a zero at the end.

    Args:
        steps: number N of levels above zero, at least 2.
        low, high: smallest and largest level, as standard deviations in units of the data.
        rho: 1 spaces the levels evenly; larger values put more of them near `low`, where errors of a step show most.
    Returns: (steps + 1,), float64. Raises: ValueError unless steps >= 2 and 0 < low < high.
    Source: Eq. 5, sigma_i = (high^(1/rho) + i / (N - 1) (low^(1/rho) - high^(1/rho)))^rho for i < N, and sigma_N = 0.
    """
    if steps < 2 or not 0 < low < high:
        raise ValueError(f"need steps >= 2 and 0 < low < high, got {steps=}, {low=}, {high=}")
    levels = torch.linspace(high ** (1 / rho), low ** (1 / rho), steps, dtype=torch.float64) ** rho
    return torch.cat([levels, levels.new_zeros(1)])  # the last step lands on the data


class Heun:
    """Heun's method: second order, two calls of the network a step and one at the last step. Source: Algorithm 1.

    Arithmetic outside the network is float64: near the data the slope is a small difference divided by a small sigma.
    """

    config: HeunConfig

    def __init__(self, config: HeunConfig) -> None:
        self.config = config

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape), float32. Calls the network 2 * steps - 1 times."""
        low, high = cast(Denoises, model).sigma_range
        return self.solve(cast(Denoises, model), streams.normal(*spec.shape), labels, low=low, high=high).float()

    @torch.no_grad()
    def solve(self, model: Denoises, noise: Tensor, labels: Tensor | None, *, low: float, high: float) -> Tensor:
        """Solve the ODE from the level `high` over `low` to zero.

        Args:
            noise: standard normal, (n, …); the ODE starts at high * noise.
            labels: (n,) int64, or None.
        Returns: the samples, (n, …), float64.
        """
        levels = noise_levels(self.config.steps, low=low, high=high, rho=self.config.rho).to(noise.device)
        x = levels[0] * noise.double()
        for sigma, following in pairwise(levels):
            x = self.step(model, x, sigma, following, labels)
        return x

    @staticmethod
    def step(model: Denoises, x: Tensor, sigma: Tensor, following: Tensor, labels: Tensor | None) -> Tensor:
        """Go from one noise level to the next lower level.

        Args:
            x: states at the level `sigma`, (n, …), float64.
            sigma, following: the two levels, 0-dim; `following` may be zero.
            labels: (n,) int64, or None.
        Returns: states at the level `following`, (n, …), float64.
        """
        slope = (x - model.denoise(x, sigma, labels).double()) / sigma
        euler = x + (following - sigma) * slope
        if following == 0:  # the slope has no value at zero noise
            return euler
        # The trapezoidal rule, with Euler's state in the place of the end that is not known yet.
        slope_at_end = (euler - model.denoise(euler, following, labels).double()) / following
        return x + (following - sigma) * (slope + slope_at_end) / 2


class Euler(Heun):
    """Euler's method for the same ODE: first order, one call of the network a step."""

    def __init__(self, config: EulerConfig) -> None:
        super().__init__(config)

    @staticmethod
    def step(model: Denoises, x: Tensor, sigma: Tensor, following: Tensor, labels: Tensor | None) -> Tensor:
        """Go from one noise level to the next lower level; arguments and result are those of `Heun.step`."""
        return x + (following - sigma) * (x - model.denoise(x, sigma, labels).double()) / sigma


class Stochastic(Heun):
    """EDM's stochastic sampler: each step first adds noise, then goes down by Heun's method. Source: Algorithm 2.

    From level sigma a step rises to sigma_hat = (1 + gamma) sigma by x_hat = x + sqrt(sigma_hat^2 - sigma^2) s_noise eps. Fresh
    noise corrects errors of earlier steps, since the ODE carries x_hat to the data whatever errors x had; too much of it
    loses detail, and an s_noise a little above 1 makes up for that.
    """

    config: StochasticConfig

    def __init__(self, config: StochasticConfig) -> None:
        super().__init__(config)

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape), float32. Calls the network 2 * steps - 1 times."""
        network = cast(Denoises, model)
        low, high = network.sigma_range
        levels = noise_levels(self.config.steps, low=low, high=high, rho=self.config.rho).to(streams.device)
        x = levels[0] * streams.normal(*spec.shape).double()
        gammas = [self.gamma(float(level)) for level in levels[:-1]]
        fresh_noise = streams.normals(sum(gamma > 0 for gamma in gammas), *spec.shape)
        for gamma, (sigma, following) in zip(gammas, pairwise(levels), strict=True):
            sigma_hat = sigma
            if gamma > 0:
                sigma_hat = sigma * (1 + gamma)
                x = x + (sigma_hat**2 - sigma**2).sqrt() * self.config.s_noise * next(fresh_noise).double()
            x = self.step(network, x, sigma_hat, following, labels)
        return x.float()

    def gamma(self, sigma: float) -> float:
        """The share by which a step raises its noise level: min(s_churn / N, sqrt(2) - 1) in [s_min, s_max], 0 elsewhere.

        At sqrt(2) - 1 the added noise is as large as the noise that was there.
        """
        is_inside = self.config.s_min <= sigma <= self.config.s_max
        return min(self.config.s_churn / self.config.steps, math.sqrt(2) - 1) if is_inside else 0.0


def build(config: HeunConfig) -> Heun:
    """Build Heun's method with its settings."""
    return Heun(config)
