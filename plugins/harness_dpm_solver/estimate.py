"""Estimate the empirical statistics of a network on noised training data."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.capabilities import Denoises
from harness.interfaces import Batch
from harness_dpm_solver.statistics import Statistics

STEP = 1e-2
"""Half the width h of central differences. Their truncation error is of order h^2. Rounding in a float32 network
adds about 1e-7 / h."""

ROWS = 512
"""Examples of one call of the network."""

LARGEST = 10.0
"""Bound of s. Its exponential over all levels stays a float64 number; estimates for trained networks are within 3."""


@torch.no_grad()
def estimate(
    model: Denoises, train: Batch, generator: torch.Generator, *, low: float, high: float, levels: int, examples: int
) -> Statistics:
    """Estimate l, s and b at noise levels that are even in ln(sigma). The network is called five times an example and level.

    Slopes and derivatives are central differences, so that no gradients of the network are needed.

    Args:
        model: the network, which stays as it is.
        train: the training data.
        generator: on the CPU; all randomness.
        low, high: smallest and largest sigma.
        levels: number of noise levels. examples: training examples, the same at each level.
    """
    chosen = torch.randperm(len(train), generator=generator)[:examples].to(train.x.device)
    clean = train[chosen]
    grid = torch.linspace(-math.log(high), -math.log(low), levels, dtype=torch.float64)
    slopes, moments = [], []
    for lam in grid.tolist():
        slope, moment = _level(model, clean, lam, generator)
        slopes.append(slope)
        moments.append(moment)
    l = torch.stack(slopes)  # noqa: E741
    s, b = _regression(l, torch.stack(moments), grid)
    return Statistics(grid, l, s, b)


def _level(model: Denoises, clean: Batch, lam: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Measure u at one noise level.

    Returns: l, (…), the mean of du_i / dx_i over the examples, and the means of the products of (1, x, u, du / d lambda),
    (4, 4, …), from which any regression between lines of the four can be computed.
    """
    shape = clean.x.shape[1:]
    slope = torch.zeros(shape, dtype=torch.float64)
    moment = torch.zeros(4, 4, *shape, dtype=torch.float64)
    for start in range(0, len(clean), ROWS):
        part = clean[slice(start, start + ROWS)]
        noise = torch.randn(part.x.shape, generator=generator, dtype=torch.float64).to(part.x.device)
        signs = (torch.randint(2, part.x.shape, generator=generator) * 2 - 1).double().to(part.x.device)
        x = part.x.double() + math.exp(-lam) * noise

        def drift(x: Tensor, lam: float, labels: Tensor | None = part.labels) -> Tensor:
            sigma = torch.tensor(math.exp(-lam), dtype=torch.float64, device=x.device)
            return x - model.denoise(x, sigma, labels).double()

        u = drift(x, lam)
        # Hutchinson: for signs v of Rademacher's distribution the mean of v * (J v) is the diagonal of J, since the mean of
        # v_i v_j is zero for i != j.
        reach = STEP * math.sqrt(float(x.square().mean()))
        slopes = signs * (drift(x + reach * signs, lam) - drift(x - reach * signs, lam)) / (2 * reach)
        # Along a trajectory x moves by -u d lambda.
        change = (drift(x - STEP * u, lam + STEP) - drift(x + STEP * u, lam - STEP)) / (2 * STEP)
        rows = torch.stack([torch.ones_like(x), x, u, change])
        slope += slopes.sum(0).cpu() / len(clean)
        moment += torch.einsum("in...,jn...->ij...", rows, rows).cpu() / len(clean)
    return slope, moment


def _regression(l: Tensor, moment: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:  # noqa: E741
    """Fit df / d lambda = s f + b by least squares at each level and coordinate. Returns: s and b, (G, …).

    With f = u - l x and dx / d lambda = -u, df / d lambda = du / d lambda - l' x + l u. So both are lines of
    (1, x, u, du / d lambda), and `moment`, (G, 4, 4, …), has all their covariances:
    s = Cov(f, f') / Var(f) and b = E f' - s E f.
    """
    l_change = torch.gradient(l, spacing=(grid,), dim=0)[0]
    zero, one = torch.zeros_like(l), torch.ones_like(l)
    constant = torch.stack([one, zero, zero, zero], 1)  # coefficients over (1, x, u, du / d lambda)
    u = torch.stack([zero, zero, one, zero], 1)
    f = torch.stack([zero, -l, one, zero], 1)
    f_change = torch.stack([zero, -l_change, l, one], 1)

    def mean_product(first: Tensor, second: Tensor) -> Tensor:
        return torch.einsum("gi...,gij...,gj...->g...", first, moment, second)

    mean_f, mean_f_change = mean_product(f, constant), mean_product(f_change, constant)
    variance = mean_product(f, f) - mean_f**2
    # Where f is far below a thousandth of u, nothing is left to predict. The added term then keeps s near 0; without it, s would
    # be a ratio of two rounding errors.
    variance = variance + 1e-6 * mean_product(u, u)
    s = ((mean_product(f, f_change) - mean_f * mean_f_change) / variance).clamp(-LARGEST, LARGEST)
    return s, mean_f_change - s * mean_f
