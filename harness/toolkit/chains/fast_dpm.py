"""FastDPM's sampling of a long chain in few steps, by matching noise levels (VAR). Source: Kong and Ping 2021."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

HALVINGS = 1000
LAST_STD = 0.001
"""Noise of the last step: with none, its log density would have no value."""


@dataclass(frozen=True)
class FastSchedule:
    """A chain of S steps on a network that was trained on T.

    Args:
        betas: (S,), float64, variances of the short forward chain, least noisy first.
        times: (S,), float64, real-valued steps at which the network is called, in the order of sampling.
    """

    betas: NDArray[np.float64]
    times: NDArray[np.float64]

    @property
    def alpha_bars(self) -> NDArray[np.float32]:
        """Shares of the signal's variance left, (S,), float32, least noisy first."""
        return _running_product(self.betas)

    def coefficients(self, kappa: float) -> dict[str, Tensor]:
        """`x_mult`, `eps_mult` and `std` of each sampling step, `time` of the network, (S,) float32, noisiest first.

        The next state is x_mult x + eps_mult eps(x, time) + std noise. kappa: 1 as in DDPM, towards 0 as in DDIM.
        """
        a = self.alpha_bars.astype(np.float64)[::-1]
        b = np.append(a[1:], 1.0)
        std = kappa * np.sqrt((1 - b) / (1 - a) * (1 - a / b))
        x_mult = np.sqrt(b / a)
        eps_mult = np.sqrt(1 - b - std**2) - np.sqrt(1 - a) * x_mult
        std[-1] = LAST_STD
        table = {"x_mult": x_mult, "eps_mult": eps_mult, "std": std, "time": self.times}
        return {name: torch.from_numpy(value.astype(np.float32)) for name, value in table.items()}


def fast_schedule(start: float, end: float, steps: int, fast_steps: int, kind: str) -> FastSchedule:
    """The short chain that ends at the noise of the long one, as far as its largest allowed step reaches.

    Args:
        start, end, steps: smallest and largest beta and length T of the long chain, whose betas are linear.
        fast_steps: S, at least 1. kind: how the short chain's betas grow, `linear` or `quadratic`.
    Raises: ValueError for an unknown kind.
    """
    betas = matching_betas(start, end, steps, fast_steps, kind)
    return FastSchedule(betas, matching_times(start, end, steps, betas))


def matching_betas(
    start: float, end: float, steps: int, fast_steps: int, kind: str, *, target: float | None = None
) -> NDArray[np.float64]:
    """Betas of S steps that leave the same share of signal as T linear ones, or the share `target`, (S,), float64."""
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
    # The band is wide enough to show in the fourth digit, so it is part of what the published numbers are.
    return betas(_bisect(lambda slope: float(np.prod(1 - betas(slope))), target, (1 + 1e-4) * target, low, high))


def matching_times(start: float, end: float, steps: int, betas: NDArray[np.float64]) -> NDArray[np.float64]:
    """The real-valued steps of the long chain with the noise of each short step, (S,), in the order of sampling."""
    # float32 as in the chain that the network was trained on.
    long = torch.linspace(start, end, steps, device="cpu").numpy()
    alpha_bars, targets = _running_product(long), _running_product(betas)
    log_alpha_bar = _continuous_log(float(np.float32(start)), float(np.float32(end)), steps)
    times = []
    for target in targets[::-1]:
        inside = np.nonzero((alpha_bars[:-1] >= target) & (target > alpha_bars[1:]))[0]
        if not len(inside):
            times.append(float(steps - 1))
            continue
        goal, i = float(np.log(target)), int(inside[0])
        times.append(_bisect(log_alpha_bar, goal, (1 - 1e-8) * goal, i - 0.01, i + 1.01))
    return np.array(times)


def _running_product(betas: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.cumprod(np.float32(1) - betas.astype(np.float32), dtype=np.float32)


def _bisect(function: Callable[[float], float], low_bound: float, high_bound: float, low: float, high: float) -> float:
    """The last midpoint of a bisection that stops where a falling function is within the two bounds."""
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
    """ln alpha_bar at a real-valued step: the product of the linear chain as a ratio of gamma functions."""
    slope = (end - start) / (steps - 1)
    top = (1 - start) / slope

    def log_gamma(z: float) -> float:
        # Stirling's series at arguments near 5e4, where its next term is below 1e-13.
        y = z - 1
        return 0.5 * math.log(2 * math.pi * y) + y * (math.log(y) - 1) + math.log1p(1 / (12 * y))

    return lambda t: (t + 1) * math.log(slope) + log_gamma(top + 1) - log_gamma(top - t)
