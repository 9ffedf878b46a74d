"""Noise schedules of the discrete diffusion chain. Index 0 is the least noisy step throughout."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.toolkit.chains import ChainConfig


def betas(kind: str, steps: int, start: float, end: float) -> Tensor:
    """Variance added by each forward step.

    Args:
        kind: `sigmoid`, `linear`, `quadratic` (linear in the square root) or `cosine` (ignores start and end).
        steps: number T of steps, at least 1.
        start, end: smallest and largest beta, in (0, 1); the sigmoid runs over [-6, 6] and stays 0.25 % inside them.
    Returns: (steps,), float64, increasing. Raises: ValueError for an unknown kind.
    Source: Ho et al. 2020 (linear); Nichol and Dhariwal 2021, Eq. 17 (cosine); SFT-PG's toy experiments (sigmoid).
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
    # The offset keeps the first betas from vanishing; the cap keeps the last one, where alpha_bar reaches 0, below 1.
    time = torch.arange(steps + 1, dtype=torch.float64) / steps
    alpha_bar = torch.cos((time + offset) / (1 + offset) * math.pi / 2) ** 2
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=largest)


def coefficients(config: ChainConfig) -> dict[str, Tensor]:
    """What the chain's formulas need, each (T,), float32, computed in float64.

    Returns:
        betas: forward variances beta_t.
        signal, noise: sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t), so that x_t = signal * x_0 + noise * eps.
        x_gain, eps_gain: the reverse mean is x_gain * x_t - eps_gain * eps_theta, that is
            (x_t - beta_t / sqrt(1 - alpha_bar_t) * eps_theta) / sqrt(1 - beta_t).
        stds: standard deviation of the reverse step, above 0.
    Source: Ho et al. 2020, Eqs. 4, 7 and 11.
    """
    beta = betas(config.schedule, config.steps, config.beta_start, config.beta_end)
    alpha_bar = torch.cumprod(1 - beta, 0)
    x_gain = (1 - beta).rsqrt()
    variance = beta
    if config.variance == "posterior":
        before = torch.cat([alpha_bar.new_ones(1), alpha_bar[:-1]])
        variance = beta * (1 - before) / (1 - alpha_bar)
        # Given the data the last step has no noise, and so its log density no value; beta_0 is the usual substitute.
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
