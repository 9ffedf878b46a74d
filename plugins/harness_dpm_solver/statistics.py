"""Empirical model statistics: which part of a network's output a solver may integrate exactly.

With lambda = -ln(sigma) and u(x, lambda) = x - D(x; sigma), the probability-flow ODE is dx / d lambda = -u. The statistics
describe u coordinate by coordinate, as functions of lambda:

    u = l x + f,   where l is the slope of u in x, so that f depends on x as little as possible;
    df / d lambda = s f + b  along trajectories, the least-squares fit of a line.

A solver integrates l, s and b exactly, and approximates only what is left.
Source: Zheng et al. 2023 (DPM-Solver-v3, arXiv 2310.13268), Section 3, whose formulas are for predicted noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from harness.card_kernels import running_sum

NAMES = ("lambda", "l", "s", "b")
"""Names of the tensors in a file."""


@dataclass(frozen=True)
class Statistics:
    """l, s and b on an even grid of lambda, linear in between, and their integrals.

    Args:
        grid: (G,), float64, increasing, values of lambda.
        l, s, b: (G, …), float64, with the shape of an example or one that broadcasts to it.
    """

    grid: Tensor
    l: Tensor  # noqa: E741 - the paper's name
    s: Tensor
    b: Tensor

    @cached_property
    def _sum_l(self) -> Tensor:
        return _cumulative(self.grid, self.l)

    @cached_property
    def _sum_s(self) -> Tensor:
        return _cumulative(self.grid, self.s)

    @cached_property
    def _sum_b(self) -> Tensor:
        return _cumulative(self.grid, (-self._sum_s).exp() * self.b)

    def slope(self, lam: float) -> Tensor:
        """l at lambda."""
        return self._between(self.l, lam)

    def integral_l(self, lam: float) -> Tensor:
        """L, the integral of l from the start of the grid to lambda; exact, since l is linear between points of the grid."""
        return self._integral(self._sum_l, self.l, lam)

    def integral_s(self, lam: float) -> Tensor:
        """S, the integral of s from the start of the grid to lambda; exact likewise."""
        return self._integral(self._sum_s, self.s, lam)

    def integral_b(self, lam: float) -> Tensor:
        """B, the integral of exp(-S) b from the start of the grid to lambda, linear between points of the grid.

        The solution of the ODE holds for any function B; a good B only leaves less to approximate.
        """
        return self._between(self._sum_b, lam)

    def _cell(self, lam: float) -> tuple[int, float]:
        """Return the point of the grid below lambda, and which share of the way to the next point lambda has gone."""
        width = float(self.grid[1] - self.grid[0])
        place = (lam - float(self.grid[0])) / width
        index = min(max(int(place), 0), len(self.grid) - 2)
        return index, min(max(place - index, 0.0), 1.0)

    def _between(self, values: Tensor, lam: float) -> Tensor:
        index, share = self._cell(lam)
        return torch.lerp(values[index], values[index + 1], share)

    def _integral(self, sums: Tensor, values: Tensor, lam: float) -> Tensor:
        index, share = self._cell(lam)
        width = float(self.grid[1] - self.grid[0])
        # The integral of v0 + (v1 - v0) r over r from 0 to the share.
        inside = width * (share * values[index] + share**2 / 2 * (values[index + 1] - values[index]))
        return sums[index] + inside

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors of a file."""
        return dict(zip(NAMES, (self.grid, self.l, self.s, self.b), strict=True))

    def to(self, device: torch.device) -> Statistics:
        """Return the same statistics on a device."""
        return Statistics(*(tensor.to(device) for tensor in (self.grid, self.l, self.s, self.b)))


def _cumulative(grid: Tensor, values: Tensor) -> Tensor:
    """Integrate from the start of the grid to each of its points, by trapezoids: exact for what is linear in between."""
    width = float(grid[1] - grid[0])
    return torch.cat([torch.zeros_like(values[:1]), running_sum((values[1:] + values[:-1]) / 2 * width, 0)])


def from_tensors(tensors: Mapping[str, Tensor]) -> Statistics:
    """Return the statistics that a file holds. Raises: ValueError for tensors that are no statistics."""
    missing = sorted(set(NAMES) - set(tensors))
    if missing:
        raise ValueError(f"no {', '.join(missing)} among the tensors {', '.join(sorted(tensors))}")
    grid, *values = (tensors[name].double() for name in NAMES)
    steps = grid.diff()
    if grid.dim() != 1 or len(grid) < 2 or not torch.allclose(steps, steps[0].expand_as(steps), rtol=1e-3) or steps[0] <= 0:
        raise ValueError("lambda is not an even, increasing grid")
    if any(len(value) != len(grid) for value in values):
        raise ValueError("l, s and b do not have a row for each lambda")
    return Statistics(grid, *values)


def trivial(low: float, high: float) -> Statistics:
    """Return l = 1 and s = b = 0 between two noise levels sigma, with which f is minus the denoised data.

    DPM-Solver-v3 with these statistics is a solver in data prediction, such as DPM-Solver++.
    """
    grid = -torch.tensor([high, low], dtype=torch.float64).log()
    ones = torch.ones(2, dtype=torch.float64)
    return Statistics(grid, ones, 0 * ones, 0 * ones)
