"""DPM-Solver-v3: the linear part of the ODE is solved exactly, the rest by a polynomial through earlier values.

With the statistics l, s, b of `harness_dpm_solver.statistics`, the ODE is dx / d lambda = -(l x + f). Let L, S and B be the
integrals of l, s and exp(-S) b from lambda_s on, where a step begins, and

    g = exp(-S) f - B,

which would be constant if df / d lambda were exactly s f + b. Then the state at lambda_t, the end of the step, is

    x_t = exp(-L_t) (x_s - integral from lambda_s to lambda_t of exp(L + S) (g + B) d lambda).

The solver puts a polynomial in the place of g: through its values at the start of the step and at the states before (the
predictor), and at the end of the step too, as the predictor has it (the corrector).
Source: Zheng et al. 2023 (DPM-Solver-v3, arXiv 2310.13268), Eqs. 10 to 13.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor

from harness.capabilities import Denoises
from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.streams import SampleStreams
from harness_dpm_solver import V3Config
from harness_dpm_solver.estimate import estimate
from harness_dpm_solver.statistics import Statistics, from_tensors, trivial

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(12)
"""Gauss's quadrature on [-1, 1]: exact for polynomials of degree 23, far beyond the digits of a float64 for these integrands."""


class Value(NamedTuple):
    """f at a state that has been reached: `lam`, the state's lambda, and `f`, (n, …)."""

    lam: float
    f: Tensor


class Weights(NamedTuple):
    """The coefficients of a step: its end is gain * x + constant + the sum of shares * f. All broadcast to an example."""

    gain: Tensor
    constant: Tensor
    shares: list[Tensor]


class DPMSolverV3:
    """Walk from the largest noise level to the smallest, with one call of the network a step. Arithmetic is float64."""

    def __init__(self, config: V3Config) -> None:
        self.config = config
        self.statistics = read(config) if config.statistics == "file" else None
        self._known_weights: dict[object, Weights] = {}

    @property
    def needs_preparation(self) -> bool:
        """Whether statistics are to be estimated."""
        return self.config.statistics == "estimate"

    def prepare(self, model: torch.nn.Module, spec: DataSpec, train: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Estimate the statistics of the base."""
        network = cast(Denoises, model)
        low, high = network.sigma_range
        levels, examples = self.config.levels, self.config.examples
        return estimate(network, train, generator, low=low, high=high, levels=levels, examples=examples).tensors()

    def use(self, prepared: Mapping[str, Tensor]) -> None:
        """Take the statistics that `prepare` returned, for all samples from now on."""
        self.statistics = from_tensors(prepared)
        self._known_weights.clear()

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape), float32. Calls the network `steps` times."""
        network = cast(Denoises, model)
        low, high = network.sigma_range
        return self.solve(network, streams.normal(*spec.shape), labels, low=low, high=high).float()

    @torch.no_grad()
    def solve(self, model: Denoises, noise: Tensor, labels: Tensor | None, *, low: float, high: float) -> Tensor:
        """Solve the ODE from the noise level `high` to the level `low`, whose noise the samples keep.

        Args:
            noise: standard normal, (n, …); the ODE starts at high * noise.
            labels: (n,) int64, or None.
        Returns: the samples, (n, …), float64.
        """
        statistics = (trivial(low, high) if self.statistics is None else self.statistics).to(noise.device)
        path = np.linspace(-math.log(high), -math.log(low), self.config.steps + 1).tolist()
        x = high * noise.double()

        def value_at(x: Tensor, lam: float) -> Value:
            sigma = torch.tensor(math.exp(-lam), dtype=torch.float64, device=x.device)
            return Value(lam, x - model.denoise(x, sigma, labels).double() - statistics.slope(lam) * x)

        values = [value_at(x, path[0])]
        for start, end in pairwise(path):
            predicted = self._step(statistics, x, start, values, end)
            if end == path[-1]:
                return predicted
            # The corrector takes f at the predicted state, and the next step does too: the network is not asked again at the
            # corrected state, since f is the part of u that changes least with x.
            values.append(value_at(predicted, end))
            x = self._step(statistics, x, start, values, end) if self.config.corrector else predicted
            values = values[-self.config.order :]
        return x

    def _step(self, statistics: Statistics, x: Tensor, start: float, values: Sequence[Value], end: float) -> Tensor:
        known_at = tuple(value.lam for value in values)
        key = (start, known_at, end, statistics.grid.device)
        if key not in self._known_weights:  # the same for all chunks of samples
            self._known_weights[key] = weights(statistics, start, known_at, end)
        step = self._known_weights[key]
        moved = step.gain * x + step.constant
        for share, value in zip(step.shares, values, strict=True):
            moved = moved + share * value.f
        return moved


def weights(statistics: Statistics, start: float, known_at: Sequence[float], end: float) -> Weights:
    """Compute the coefficients of a step from lambda = `start` to `end`.

    Args:
        known_at: the lambdas at which f is known, `start` among them.
    """
    # Coefficients of a polynomial in lambda - start from its values at `known_at`.
    from_values = np.linalg.inv(np.vander([lam - start for lam in known_at], increasing=True))

    def big_l(lam: float) -> Tensor:
        return statistics.integral_l(lam) - statistics.integral_l(start)

    def big_s(lam: float) -> Tensor:
        return statistics.integral_s(lam) - statistics.integral_s(start)

    def big_b(lam: float) -> Tensor:
        return statistics.integral_s(start).exp() * (statistics.integral_b(lam) - statistics.integral_b(start))

    half = (end - start) / 2
    shares, constant = [torch.zeros_like(statistics.slope(start)) for _ in known_at], torch.zeros_like(statistics.slope(start))
    for node, node_weight in zip(NODES, NODE_WEIGHTS, strict=True):
        lam = start + half * (1 + float(node))
        factor = half * float(node_weight) * (big_l(lam) + big_s(lam)).exp()
        # g(lambda) is the sum of cardinal_i g_i, with g_i = exp(-S_i) f_i - B_i at the known states.
        cardinals = (lam - start) ** np.arange(len(known_at)) @ from_values
        constant = constant - factor * big_b(lam)
        for index, (cardinal, known) in enumerate(zip(cardinals.tolist(), known_at, strict=True)):
            shares[index] = shares[index] - factor * cardinal * (-big_s(known)).exp()
            constant = constant + factor * cardinal * big_b(known)
    gain = (-big_l(end)).exp()
    return Weights(gain, gain * constant, [gain * share for share in shares])


def read(config: V3Config) -> Statistics:
    """Read the statistics of the file that the settings name.

    Raises: UserError for a file that is missing, has another hash than the settings say, or holds no statistics.
    """
    assert config.file is not None  # V3Config sees to it
    path = Path(config.file)
    where = f"sampler dpm-solver-v3: {path}"
    if path.exists() and not path.is_file():
        raise UserError(f"{where}: is no file")  # reading a pipe could take for ever
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{where}: {error.strerror}") from None
    actual = hashlib.sha256(content).hexdigest()
    if actual != config.sha256:
        raise UserError(f"{where} has sha256 {actual}, and the settings say {config.sha256}")
    try:
        return from_tensors(load(content))
    except Exception as error:
        raise UserError(f"{where} holds no statistics: {error}") from None
