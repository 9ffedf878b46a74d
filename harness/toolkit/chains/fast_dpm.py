"""FastDPM: sample a network that was trained on a long chain in few steps, by matching noise levels (the variant VAR).

A short chain of S steps gets variances eta_1 … eta_S of its own, which leave the same share of signal as the long chain does.
The network is called at the real-valued steps of the long chain at which the noise is that of the short chain.
Source: Kong and Ping 2021 (arXiv 2106.00132).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

HALVINGS = 1000
"""The largest number of halvings in a bisection."""
LAST_STD = 0.001
"""Noise of the last step. Without noise the step would have no log density."""


@dataclass(frozen=True)
class FastSchedule:
    """A chain of S steps for a network that was trained on T steps.

    Args:
        betas: (S,), float64, variances of the short forward chain, least noisy first.
        times: (S,), float64, real-valued steps of the long chain at which the network is called, in the order of sampling.
    """

    betas: NDArray[np.float64]
    times: NDArray[np.float64]

    @property
    def alpha_bars(self) -> NDArray[np.float32]:
        """The share of the signal's variance that each step of the short chain leaves, (S,), float32, least noisy first."""
        return _running_product(self.betas)

    def coefficients(self, kappa: float) -> dict[str, Tensor]:
        """Return tables over the sampling steps, (S,), float32, noisiest first: `x_mult`, `eps_mult`, `std`, and `time`.

        The next state is x_mult * x + eps_mult * eps_theta(x, time) + std * noise.

        Args:
            kappa: share of DDPM's noise that a step adds: 1 as in DDPM, towards 0 as in DDIM.
        """
        # With alpha_bar a before a step and b after it (Song et al. 2021, DDIM, Eqs. 12 and 16):
        #   x0 = (x - sqrt(1 - a) eps) / sqrt(a),   std = kappa sqrt((1 - b) / (1 - a) (1 - a / b)),
        #   next = sqrt(b) x0 + sqrt(1 - b - std^2) eps + std * noise.
        a = self.alpha_bars.astype(np.float64)[::-1]
        b = np.append(a[1:], 1.0)
        std = kappa * np.sqrt((1 - b) / (1 - a) * (1 - a / b))
        x_mult = np.sqrt(b / a)
        eps_mult = np.sqrt(1 - b - std**2) - np.sqrt(1 - a) * x_mult
        std[-1] = LAST_STD
        table = {"x_mult": x_mult, "eps_mult": eps_mult, "std": std, "time": self.times}
        return {name: torch.from_numpy(value.astype(np.float32)) for name, value in table.items()}


def fast_schedule(start: float, end: float, steps: int, fast_steps: int, kind: str) -> FastSchedule:
    """Make the short chain: betas that leave as much signal as the long chain, and the steps of the long chain that match.

    Args:
        start, end: smallest and largest beta of the long chain, whose betas are linear; start < end.
        steps: length T of the long chain, at least 2.
        fast_steps: length S of the short chain, at least 1.
        kind: how the short chain's betas grow, `linear` or `quadratic`.
    Raises: ValueError for an unknown kind.
    """
    betas = matching_betas(start, end, steps, fast_steps, kind)
    return FastSchedule(betas, matching_times(start, end, steps, betas))


def matching_betas(
    start: float, end: float, steps: int, fast_steps: int, kind: str, *, target: float | None = None
) -> NDArray[np.float64]:
    """Return the betas of a short chain that leaves as much signal as the long chain, (S,), float64.

    They have one free number x: the last beta of the kind `linear`, which runs evenly from `start` to x; and the growth of the
    kind `quadratic`, start * (1 + i x)^2 for i = 0 … S - 1. A bisection finds the x for which the product of 1 - beta is right.

    Args:
        start, end, steps, fast_steps, kind: as in `fast_schedule`.
        target: share of signal that the short chain leaves; by default that of the long chain.
    """
    if target is None:
        target = float(np.prod(1 - np.linspace(start, end, steps)))
    index = np.arange(fast_steps)
    if kind == "linear":
        low, high = start, 0.99

        def betas(slope: float) -> NDArray[np.float64]:
            return np.linspace(start, slope, fast_steps)
    elif kind == "quadratic":
        low, high = 0.0, 0.95 / (math.sqrt(start) * fast_steps)

        def betas(slope: float) -> NDArray[np.float64]:
            return np.asarray(start * (1 + index * slope) ** 2)
    else:
        raise ValueError(f"no sampling schedule is called {kind!r}; there are linear, quadratic")
    # The band of the bisection is so wide that it shows in the fourth digit, so it is part of the published numbers.
    return betas(_bisect(lambda slope: float(np.prod(1 - betas(slope))), target, (1 + 1e-4) * target, low, high))


def matching_times(start: float, end: float, steps: int, betas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the step of the long chain with the noise of each short step, real-valued, (S,), in the order of sampling."""
    # float32, as in the chain that the network was trained on.
    long = torch.linspace(start, end, steps, device="cpu").numpy()
    alpha_bars, targets = _running_product(long), _running_product(betas)
    log_alpha_bar = _continuous_log(float(np.float32(start)), float(np.float32(end)), steps)
    times = []
    for target in targets[::-1]:
        inside = np.nonzero((alpha_bars[:-1] >= target) & (target > alpha_bars[1:]))[0]
        if not len(inside):  # noisier than the long chain ever is
            times.append(float(steps - 1))
            continue
        wanted, i = float(np.log(target)), int(inside[0])
        times.append(_bisect(log_alpha_bar, wanted, (1 - 1e-8) * wanted, i - 0.01, i + 1.01))
    return np.array(times)


def _running_product(betas: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.cumprod(np.float32(1) - betas.astype(np.float32), dtype=np.float32)


def _bisect(function: Callable[[float], float], low_bound: float, high_bound: float, low: float, high: float) -> float:
    """Find an argument in [low, high] at which a falling function is between two bounds. Returns: the last midpoint tried."""
    middle = (low + high) / 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        value = function(middle)
        if value < low_bound:
            high = middle
        elif value > high_bound:
            low = middle
        else:
            break
    return middle


def _continuous_log(start: float, end: float, steps: int) -> Callable[[float], float]:
    """Return ln alpha_bar of a chain with linear betas, as a function of a real-valued step t.

    With d = (end - start) / (T - 1) and c = (1 - start) / d, the product of 1 - start - i d over i = 0 … t is
    d^(t + 1) Gamma(c + 1) / Gamma(c - t), which has a value between whole steps too.
    """
    slope = (end - start) / (steps - 1)
    top = (1 - start) / slope

    def log_gamma(z: float) -> float:
        # Stirling's formula, ln Gamma(y + 1) = ln(2 pi y) / 2 + y (ln y - 1) + ln(1 + 1 / (12 y)). Its error is 1 / (288 y^2):
        # 1e-12 for the usual chains, whose arguments are near 5e4.
        y = z - 1
        return 0.5 * math.log(2 * math.pi * y) + y * (math.log(y) - 1) + math.log1p(1 / (12 * y))

    return lambda t: (t + 1) * math.log(slope) + log_gamma(top + 1) - log_gamma(top - t)
