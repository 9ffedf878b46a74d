"""DPM-Solver-v3: the linear part of the ODE is solved exactly, the rest by a Taylor polynomial through earlier values."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
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
from harness_dpm_solver.statistics import Statistics, estimate, from_tensors, trivial

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)


class Value(NamedTuple):
    """f at a state that has been reached: `at`, its lambda, and `f`, (n, …)."""

    at: float
    f: Tensor


class Weights(NamedTuple):
    """The state at the end of a step is gain * x + constant + sum of shares * f; all broadcast to an example."""

    gain: Tensor
    constant: Tensor
    shares: list[Tensor]


class DPMSolverV3:
    """Walks from the largest noise level to the smallest, one call of the network a step; arithmetic is float64.

    With x' = -(l x + f): x_t = e^-L (x_s - integral of e^(L + S) (g + B)), where g = e^-S f - B is a polynomial through
    the values at earlier states (the predictor), and at the new one too (the corrector). L, S and B are integrals of the
    statistics from lambda_s on. Source: Zheng et al. 2023, Eqs. 10 to 13.
    """

    def __init__(self, config: V3Config) -> None:
        self.config = config
        self.statistics = None if config.statistics != "file" else read(config)
        self._known: dict[object, Weights] = {}

    @property
    def needs_preparation(self) -> bool:
        """Whether statistics are to be estimated."""
        return self.config.statistics == "estimate"

    def prepare(self, model: torch.nn.Module, spec: DataSpec, train: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Statistics of the base."""
        network = cast(Denoises, model)
        low, high = network.sigma_range
        found = estimate(network, train, generator, low=low, high=high, levels=self.config.levels, examples=self.config.examples)
        return found.tensors()

    def use(self, prepared: Mapping[str, Tensor]) -> None:
        """Sample with these statistics."""
        self.statistics = from_tensors(prepared)
        self._known.clear()

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape), float32. Calls the network `steps` times."""
        network = cast(Denoises, model)
        low, high = network.sigma_range
        return self.solve(network, streams.normal(*spec.shape), labels, low=low, high=high).float()

    @torch.no_grad()
    def solve(self, model: Denoises, noise: Tensor, labels: Tensor | None, *, low: float, high: float) -> Tensor:
        """The samples that standard normal noise (n, …) leads to, (n, …), float64, with noise of size `low` left."""
        known = (trivial(low, high) if self.statistics is None else self.statistics).to(noise.device)
        path = np.linspace(-math.log(high), -math.log(low), self.config.steps + 1).tolist()
        x = high * noise.double()

        def value(x: Tensor, at: float) -> Value:
            sigma = torch.tensor(math.exp(-at), dtype=torch.float64, device=x.device)
            return Value(at, x - model.denoise(x, sigma, labels).double() - known.slope(at) * x)

        def step(x: Tensor, start: float, values: list[Value], end: float) -> Tensor:
            weights = self._weights(known, start, tuple(one.at for one in values), end)
            moved = weights.gain * x + weights.constant
            for share, one in zip(weights.shares, values, strict=True):
                moved = moved + share * one.f
            return moved

        values = [value(x, path[0])]
        for start, end in pairwise(path):
            predicted = step(x, start, values, end)
            if end == path[-1]:
                return predicted
            # Not asked again at the corrected state: f is what changes least with x.
            values.append(value(predicted, end))
            x = step(x, start, values, end) if self.config.corrector else predicted
            values = values[-self.config.order :]
        return x

    def _weights(self, known: Statistics, start: float, ats: tuple[float, ...], end: float) -> Weights:
        """As `weights`, once for all chunks of samples."""
        key = (start, ats, end, known.grid.device)
        if key not in self._known:
            self._known[key] = weights(known, start, ats, end)
        return self._known[key]


def weights(known: Statistics, start: float, ats: tuple[float, ...], end: float) -> Weights:
    """What a step from lambda = `start` to `end` multiplies, given values of f at `ats`, one of which is `start`.

    The polynomial through them is integrated against e^(L + S) by Gauss's quadrature.
    """
    inverse = np.linalg.inv(np.vander([at - start for at in ats], increasing=True))  # values -> coefficients

    def linear(at: float) -> Tensor:
        return known.integral_l(at) - known.integral_l(start)

    def scale(at: float) -> Tensor:
        return known.integral_s(at) - known.integral_s(start)

    def offset(at: float) -> Tensor:
        return known.integral_s(start).exp() * (known.integral_b(at) - known.integral_b(start))

    half = (end - start) / 2
    shares, constant = [torch.zeros_like(known.slope(start)) for _ in ats], torch.zeros_like(known.slope(start))
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        at = start + half * (1 + float(node))
        gain = half * float(weight) * (linear(at) + scale(at)).exp()
        own = (at - start) ** np.arange(len(ats)) @ inverse
        constant = constant - gain * offset(at)
        for index, (share, there) in enumerate(zip(own.tolist(), ats, strict=True)):
            # g = e^-S f - B at each of the states.
            shares[index] = shares[index] - gain * share * (-scale(there)).exp()
            constant = constant + gain * share * offset(there)
    decay = (-linear(end)).exp()
    return Weights(decay, decay * constant, [decay * share for share in shares])


def read(config: V3Config) -> Statistics:
    """The statistics of a file. Raises: UserError for one that is missing, another than the settings say, or none."""
    path = Path(str(config.file))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"sampler dpm-solver-v3: {path}: {error.strerror}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != config.sha256:
        raise UserError(f"sampler dpm-solver-v3: {path} has sha256 {found}, and the settings say {config.sha256}")
    try:
        return from_tensors(load(content))
    except Exception as error:
        raise UserError(f"sampler dpm-solver-v3: {path} holds no statistics: {error}") from None
