"""Noise schedules of the discrete diffusion chain. Index 0 is the least noisy step everywhere."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.toolkit.chains import ChainConfig


def betas(kind: str, steps: int, start: float, end: float) -> Tensor:
    """Return the variance that each forward step adds.

    With r = t / (T - 1) for t = 0 … T - 1:
        `linear`: start + r (end - start). Source: Ho et al. 2020.
        `quadratic`: (sqrt(start) + r (sqrt(end) - sqrt(start)))^2.
        `sigmoid`: start + (end - start) / (1 + exp(6 - 12 r)), which stays 0.25 % inside of start and end. Source: SFT-PG's toys.
        `cosine`: 1 - alpha_bar_t / alpha_bar_(t-1) of a cosine alpha_bar; ignores start and end. Source: Nichol and Dhariwal
            2021, Eq. 17.

    Args:
        kind: one of the names above.
        steps: number T of steps, at least 1.
        start, end: smallest and largest beta, in (0, 1).
    Returns: (steps,), float64, increasing. Raises: ValueError for an unknown kind.
    """
    if kind == "sigmoid":
        return torch.sigmoid(torch.linspace(-6, 6, steps, dtype=torch.float64)) * (end - start) + start
    if kind == "linear":
        return torch.linspace(start, end, steps, dtype=torch.float64)
    if kind == "quadratic":
        return torch.linspace(math.sqrt(start), math.sqrt(end), steps, dtype=torch.float64) ** 2
    if kind == "cosine":
        return _cosine(steps)
    raise ValueError(f"no schedule is called {kind!r}; there are sigmoid, linear, quadratic, cosine")


def _cosine(steps: int, offset: float = 0.008, largest: float = 0.999) -> Tensor:
    # alpha_bar(t) = f(t) / f(0) with f(t) = cos^2((t / T + o) / (1 + o) * pi / 2); f(0) falls out of the ratio of neighbours.
    # The offset o keeps the first betas from vanishing; the cap keeps the last beta, where alpha_bar reaches 0, below 1.
    time = torch.arange(steps + 1, dtype=torch.float64) / steps
    alpha_bar = torch.cos((time + offset) / (1 + offset) * math.pi / 2) ** 2
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=largest)


def coefficients(config: ChainConfig) -> dict[str, Tensor]:
    """Return the tables that the chain's formulas need, each (T,), float32, computed in float64.

    Returns:
        betas: forward variances beta_t.
        signal, noise: sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t), so that x_t = signal * x_0 + noise * eps (Eq. 4).
        x_gain, eps_gain: the mean of a reverse step is x_gain * x_t - eps_gain * eps_theta, that is
            (x_t - beta_t / sqrt(1 - alpha_bar_t) * eps_theta) / sqrt(1 - beta_t) (Eq. 11).
        stds: standard deviation of a reverse step, above 0: sqrt(beta_t), or that of the forward posterior (Eq. 7),
            sqrt(beta_t (1 - alpha_bar_(t-1)) / (1 - alpha_bar_t)).
    Source: Ho et al. 2020 (DDPM, arXiv 2006.11239).
    """
    beta = betas(config.schedule, config.steps, config.beta_start, config.beta_end)
    alpha_bar = torch.cumprod(1 - beta, 0)
    x_gain = (1 - beta).rsqrt()
    variance = beta
    if config.variance == "posterior":
        before = torch.cat([alpha_bar.new_ones(1), alpha_bar[:-1]])
        variance = beta * (1 - before) / (1 - alpha_bar)
        # The posterior of the last step, t = 0, has no noise, and a log density needs some; beta_0 is the usual substitute.
        variance[0] = beta[0]
    exact = {
        "betas": beta,
        "signal": alpha_bar.sqrt(),
        "noise": (1 - alpha_bar).sqrt(),
        "x_gain": x_gain,
        "eps_gain": x_gain * beta * (1 - alpha_bar).rsqrt(),
        "stds": variance.sqrt(),
    }
    return {name: value.float() for name, value in exact.items()}
