"""The coefficients of samplers that walk a diffusion chain in few steps.

A state of the chain is x = sqrt(a) x_0 + sqrt(1 - a) eps with a = alpha_bar_t, the share of the signal's variance that is left
(Ho et al. 2020, Eq. 4). A step leads from a share a to a larger share b, by way of the clean data that the network sees in x:

    x_0 = (x - sqrt(1 - a) eps_theta) / sqrt(a),
    next = sqrt(b) x_0 + sqrt(1 - b - lambda^2) eps_theta + std z,   z ~ N(0, 1)

(Song et al. 2021, DDIM, Eq. 12). Here lambda is the standard deviation of a step's noise given the clean data.
Usually std = lambda; then the next state has the share b for every lambda.
Sorted by x and eps_theta, a step is x_mult x + eps_mult eps_theta + std z with

    x_mult = sqrt(b / a),   eps_mult = sqrt(1 - b - lambda^2) - sqrt(1 - a) sqrt(b / a).

lambda^2 = (1 - b) / (1 - a) (1 - a / b) is the variance of DDPM's posterior (Ho et al. 2020, Eq. 7); lambda = 0 is DDIM.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.errors import UserError
from harness.toolkit.chains.fast_dpm import FastSchedule, fast_schedule, matching_betas

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StepTable:
    """A walk of S steps, noisiest first. All arrays are (S,), float64.

    Args:
        times: the steps of the chain at which the network is called, real-valued, 0 = least noisy.
        alpha_bars: a of each step. b is the a of the following step, and 1 for the last step, which lands on the data.
        std: standard deviation of the noise that each step adds.
        std_given_data: lambda of each step, for which the mean makes room.
    """

    times: Array
    alpha_bars: Array
    std: Array
    std_given_data: Array

    @property
    def alpha_bars_after(self) -> Array:
        """b of each step."""
        return np.append(self.alpha_bars[1:], 1.0)

    @property
    def x_mult(self) -> Array:
        """sqrt(b / a)."""
        return np.sqrt(self.alpha_bars_after / self.alpha_bars)

    @property
    def eps_mult(self) -> Array:
        """sqrt(1 - b - lambda^2) - sqrt(1 - a) sqrt(b / a)."""
        a, b = self.alpha_bars, self.alpha_bars_after
        # Rounding may leave 1 - b - lambda^2 a little below the zero that it is at the last step.
        return np.sqrt(np.maximum(0, 1 - b - self.std_given_data**2)) - np.sqrt(1 - a) * self.x_mult


def check_steps(total: int, steps: int) -> None:
    """Raises: UserError for more steps than the chain has, which are `total`."""
    if steps > total:
        raise UserError(f"steps: {steps} are more than the chain has, which are {total}; name {total} or fewer")


def chosen_steps(total: int, steps: int, spacing: str) -> Array:
    """Choose whole steps of a chain of length `total`, noisiest first; fewer than `steps` of them where some coincide.

    `linear` spacing is even from 0 to T - 1, and a single step is T - 1.
    `quadratic` spacing, floor(linspace(0, sqrt(0.8 T), S)^2), is dense near the data.
    Source: Song et al. 2021 (DDIM), appendix D.2; Kong and Ping 2021 (FastDPM, STEP).
    Raises: UserError for more steps than the chain has.
    """
    check_steps(total, steps)
    if spacing == "quadratic":
        chosen = np.floor(np.linspace(0, math.sqrt(total * 0.8), steps) ** 2)
    elif steps == 1:
        chosen = np.array([total - 1])
    else:
        # 1e-9 so that a quotient which is whole but for rounding is not rounded down.
        chosen = np.floor(np.arange(steps) * ((total - 1) / (steps - 1)) + 1e-9)
    return np.unique(np.minimum(chosen, total - 1))[::-1].astype(np.float64)


def posterior_std(alpha_bars: Array) -> Array:
    """sqrt((1 - b) / (1 - a) (1 - a / b)): the noise of a step of DDPM given the data, (S,); 0 at the last step."""
    after = np.append(alpha_bars[1:], 1.0)
    return np.sqrt((1 - after) / (1 - alpha_bars) * (1 - alpha_bars / after))


def alpha_bars(betas: Tensor) -> Array:
    """alpha_bar_t, the product of 1 - beta_s over s <= t, (T,), float64, least noisy first."""
    return np.exp(np.cumsum(np.log1p(-betas.numpy())))


def whole_step_table(betas: Tensor, steps: int | None, spacing: str, eta: float) -> StepTable:
    """Make the table of a walk over chosen whole steps of a chain.

    Args:
        betas: (T,), float64, of the chain.
        steps: how many steps; None for all.
        spacing: as in `chosen_steps`.
        eta: noise of each step as a share of DDPM's: 1 as in DDPM, 0 for none (DDIM, Eq. 16).
    """
    times = chosen_steps(len(betas), len(betas) if steps is None else steps, spacing)
    kept = alpha_bars(betas)[times.astype(int)]
    std = eta * posterior_std(kept)
    return StepTable(times, kept, std, std)


def var_table(betas: Tensor, steps: int, schedule: str, kappa: float) -> StepTable:
    """Make the table of FastDPM's VAR: a short chain of its own betas, at real-valued steps of the long chain with equal noise.

    Args:
        betas: (T,), float64, of the long chain.
        steps: length S of the short chain.
        schedule: how the betas of the short chain grow, `linear` or `quadratic`.
        kappa: noise of each step as a share of DDPM's.
    Source: Kong and Ping 2021.
    """
    start, end, total = float(betas[0]), float(betas[-1]), len(betas)
    line = torch.linspace(start, end, total, dtype=torch.float64)
    # The closed form divides by the growth of beta: betas that do not grow take the other way.
    is_linear = total > 2 and start < end and torch.allclose(betas, line, rtol=1e-9, atol=0)
    short = fast_schedule(start, end, total, steps, schedule) if is_linear else _interpolated(betas, steps, schedule)
    kept = short.alpha_bars.astype(np.float64)[::-1].copy()
    std = kappa * posterior_std(kept)
    return StepTable(np.maximum(short.times, 0), kept, std, std)


def _interpolated(betas: Tensor, steps: int, schedule: str) -> FastSchedule:
    """Do what `fast_schedule` does for a chain whose betas are not linear: ln alpha_bar is linear between whole steps."""
    log_kept = np.log(alpha_bars(betas))
    short = matching_betas(float(betas[0]), 0.0, 1, steps, schedule, target=float(np.exp(log_kept[-1])))
    wanted = np.cumsum(np.log1p(-short))[::-1]
    # -ln alpha_bar grows along the chain, as `np.interp` needs it.
    return FastSchedule(short, np.interp(-wanted, -log_kept, np.arange(len(log_kept))))
