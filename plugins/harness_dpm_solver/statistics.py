"""Empirical model statistics: which linear part of the network's output to integrate exactly.

With lambda = -ln(sigma) and u(x, lambda) = x - D(x; sigma), the ODE is dx/dlambda = -u. Per coordinate, l is the slope of
u in x; what is left, f = u - l x, changes along a trajectory by about s f + b. Source: Zheng et al. 2023 (DPM-Solver-v3),
Section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from harness.capabilities import Denoises
from harness.interfaces import Batch

# Central differences of a float32 network: an error of h^2 in the slope against one of 1e-7 / h in its digits.
STEP = 1e-2
ROWS = 512
LARGEST = 10.0
"""Bound of s: its exponential over all levels stays a float64 number; estimates of trained networks are within 3."""


@dataclass(frozen=True)
class Statistics:
    """l, s and b on an even grid of lambda, linear in between, and their integrals.

    Args:
        grid: (G,), float64, increasing, lambda = -ln(sigma).
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

    def slope(self, at: float) -> Tensor:
        """l at lambda."""
        return self._between(self.l, at)

    def integral_l(self, at: float) -> Tensor:
        """Integral of l from the grid's start; exact for what is linear between the grid's points."""
        return self._integral(self._sum_l, self.l, at)

    def integral_s(self, at: float) -> Tensor:
        """Integral of s from the grid's start."""
        return self._integral(self._sum_s, self.s, at)

    def integral_b(self, at: float) -> Tensor:
        """Integral of exp(-integral of s) b from the grid's start, linear in between: the solution holds for any B."""
        return self._between(self._sum_b, at)

    def _cell(self, at: float) -> tuple[int, float]:
        width = float(self.grid[1] - self.grid[0])
        place = (at - float(self.grid[0])) / width
        index = min(max(int(place), 0), len(self.grid) - 2)
        return index, min(max(place - index, 0.0), 1.0)

    def _between(self, values: Tensor, at: float) -> Tensor:
        index, share = self._cell(at)
        return torch.lerp(values[index], values[index + 1], share)

    def _integral(self, before: Tensor, values: Tensor, at: float) -> Tensor:
        index, share = self._cell(at)
        width = float(self.grid[1] - self.grid[0])
        inside = width * (share * values[index] + share**2 / 2 * (values[index + 1] - values[index]))
        return before[index] + inside

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds."""
        return {"lambda": self.grid, "l": self.l, "s": self.s, "b": self.b}

    def to(self, device: torch.device) -> Statistics:
        """The same on a device."""
        return Statistics(*(one.to(device) for one in (self.grid, self.l, self.s, self.b)))


def _cumulative(grid: Tensor, values: Tensor) -> Tensor:
    """The integral from the grid's start to each of its points, of what is linear in between."""
    width = float(grid[1] - grid[0])
    return torch.cat([torch.zeros_like(values[:1]), torch.cumsum((values[1:] + values[:-1]) / 2 * width, 0)])


def from_tensors(tensors: Mapping[str, Tensor]) -> Statistics:
    """Statistics of a file. Raises: ValueError for one that does not hold them."""
    missing = sorted({"lambda", "l", "s", "b"} - set(tensors))
    if missing:
        raise ValueError(f"no {', '.join(missing)} among the tensors {', '.join(sorted(tensors))}")
    grid, *values = (tensors[name].double() for name in ("lambda", "l", "s", "b"))
    steps = grid.diff()
    if grid.dim() != 1 or len(grid) < 2 or not torch.allclose(steps, steps[0].expand_as(steps), rtol=1e-3) or steps[0] <= 0:
        raise ValueError("lambda is not an even, increasing grid")
    if any(len(one) != len(grid) for one in values):
        raise ValueError("l, s and b do not have a row for each lambda")
    return Statistics(grid, *values)


def trivial(low: float, high: float) -> Statistics:
    """l = 1, s = b = 0: f is minus the denoised data. low, high: of sigma."""
    grid = -torch.tensor([high, low], dtype=torch.float64).log()
    one = torch.ones(2, dtype=torch.float64)
    return Statistics(grid, one, 0 * one, 0 * one)


@torch.no_grad()
def estimate(
    model: Denoises, train: Batch, generator: torch.Generator, *, low: float, high: float, levels: int, examples: int
) -> Statistics:
    """Statistics of a network on noised training data. It is called five times an example and level.

    Slopes and derivatives along the ODE are central differences, so any network will do.
    """
    chosen = torch.randperm(len(train), generator=generator)[:examples].to(train.x.device)
    clean = train[chosen]
    grid = torch.linspace(-math.log(high), -math.log(low), levels, dtype=torch.float64)
    slopes, moments = [], []
    for at in grid.tolist():
        slope, moment = _level(model, clean, at, generator)
        slopes.append(slope)
        moments.append(moment)
    l = torch.stack(slopes)  # noqa: E741
    s, b = _regression(l, torch.stack(moments), grid)
    return Statistics(grid, l, s, b)


def _level(model: Denoises, clean: Batch, at: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """l, (…), and the means of the products of (1, x, u, du/dlambda), (4, 4, …), at one level."""
    shape = clean.x.shape[1:]
    slope = torch.zeros(shape, dtype=torch.float64)
    moment = torch.zeros(4, 4, *shape, dtype=torch.float64)
    for start in range(0, len(clean), ROWS):
        part = clean[slice(start, start + ROWS)]
        noise = torch.randn(part.x.shape, generator=generator, dtype=torch.float64).to(part.x.device)
        signs = (torch.randint(2, part.x.shape, generator=generator) * 2 - 1).double().to(part.x.device)
        x = part.x.double() + math.exp(-at) * noise

        def drift(x: Tensor, at: float, labels: Tensor | None = part.labels) -> Tensor:
            sigma = torch.tensor(math.exp(-at), dtype=torch.float64, device=x.device)
            return x - model.denoise(x, sigma, labels).double()

        u = drift(x, at)
        reach = STEP * math.sqrt(float(x.square().mean()))
        # Rademacher signs: the mean of v * (J v) is the diagonal of J, and its other entries cancel out.
        slopes = signs * (drift(x + reach * signs, at) - drift(x - reach * signs, at)) / (2 * reach)
        change = (drift(x - STEP * u, at + STEP) - drift(x + STEP * u, at - STEP)) / (2 * STEP)
        rows = torch.stack([torch.ones_like(x), x, u, change])
        slope += slopes.sum(0).cpu() / len(clean)
        moment += torch.einsum("in...,jn...->ij...", rows, rows).cpu() / len(clean)
    return slope, moment


def _regression(l: Tensor, moment: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:  # noqa: E741
    """s and b of the line through (f, df/dlambda), (G, …) each, where f = u - l x and dx/dlambda = -u."""
    change = torch.gradient(l, spacing=(grid,), dim=0)[0]
    zero, one = torch.zeros_like(l), torch.ones_like(l)
    f = torch.stack([zero, -l, one, zero], 1)  # over (1, x, u, du/dlambda)
    slope = torch.stack([zero, -change, l, one], 1)

    def mean(*factors: Tensor) -> Tensor:
        first, second = factors if len(factors) == 2 else (factors[0], torch.stack([one, zero, zero, zero], 1))
        return torch.einsum("gi...,gij...,gj...->g...", first, moment, second)

    variance = mean(f, f) - mean(f) ** 2
    drift = torch.stack([zero, zero, one, zero], 1)
    # Where f is a thousandth of u there is nothing left to predict, and the quotient of two such numbers says nothing.
    variance = variance + 1e-6 * mean(drift, drift)
    s = ((mean(f, slope) - mean(f) * mean(slope)) / variance).clamp(-LARGEST, LARGEST)
    return s, mean(slope) - s * mean(f)
