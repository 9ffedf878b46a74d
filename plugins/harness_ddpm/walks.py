"""Samplers that walk a diffusion chain in few steps: sub-sampled DDPM, DDIM, FastDPM."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.capabilities import NoiseChain
from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness.toolkit.chains.fast_dpm import FastSchedule, fast_schedule, matching_betas
from harness_ddpm import DDIMConfig, FastDPMConfig, SubsampledConfig

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """A walk of S steps, noisiest first; all (S,), float64.

    Args:
        times: at which the network is called.
        kept: share a of the signal's variance before each step; the next one's, b, is the following entry, and 1 at last.
        std: of the noise added by each step. floor: the part of it that the mean allows for (lambda of Analytic-DPM).
    """

    times: Array
    kept: Array
    std: Array
    floor: Array

    @property
    def after(self) -> Array:
        """b of each step."""
        return np.append(self.kept[1:], 1.0)

    @property
    def x_mult(self) -> Array:
        """sqrt(b / a)."""
        return np.sqrt(self.after / self.kept)

    @property
    def eps_mult(self) -> Array:
        """sqrt(1 - b - floor^2) - sqrt(1 - a) sqrt(b / a). Its square times Var(eps | x) is the variance of the mean."""
        return np.sqrt(np.maximum(0, 1 - self.after - self.floor**2)) - np.sqrt(1 - self.kept) * self.x_mult


def chosen_steps(total: int, steps: int, spacing: str) -> Array:
    """Whole steps of a chain of length `total`, noisiest first; fewer than `steps` where some coincide.

    linear: evenly from 0 to T - 1. quadratic: floor(linspace(0, sqrt(0.8 T), S)^2), dense near the data.
    Source: Song et al. 2021 (DDIM), appendix D.2; Kong and Ping 2021 (STEP).
    """
    steps = min(steps, total)
    if spacing == "quadratic":
        chosen = np.floor(np.linspace(0, math.sqrt(total * 0.8), steps) ** 2)
    else:
        chosen = np.floor(np.arange(steps) * ((total - 1) / max(1, steps - 1)) + 1e-9) if steps > 1 else np.array([total - 1])
    return np.unique(np.minimum(chosen, total - 1))[::-1].astype(np.float64)


def posterior_std(kept: Array) -> Array:
    """sqrt((1 - b) / (1 - a) (1 - a / b)): the noise of an ancestral step given the data; 0 at the last one."""
    after = np.append(kept[1:], 1.0)
    return np.sqrt((1 - after) / (1 - kept) * (1 - kept / after))


def shares_kept(betas: Tensor) -> Array:
    """(T,) alpha_bar, float64, least noisy first."""
    return np.exp(np.cumsum(np.log1p(-betas.numpy())))


def step_table(betas: Tensor, steps: int | None, spacing: str, eta: float) -> Table:
    """A walk over chosen whole steps of a chain. eta: 1 as in DDPM, 0 without noise. steps: None for all."""
    times = chosen_steps(len(betas), len(betas) if steps is None else steps, spacing)
    kept = shares_kept(betas)[times.astype(int)]
    std = eta * posterior_std(kept)
    return Table(times, kept, std, std)


def var_table(betas: Tensor, steps: int, schedule: str, kappa: float) -> Table:
    """FastDPM's VAR: a short chain of its own variances, on real-valued steps of the long one with the same noise."""
    start, end, total = float(betas[0]), float(betas[-1]), len(betas)
    if total > 2 and torch.allclose(betas, torch.linspace(start, end, total, dtype=torch.float64), rtol=1e-9, atol=0):
        short = fast_schedule(start, end, total, steps, schedule)
    else:
        short = _interpolated(betas, steps, schedule)
    kept = short.alpha_bars.astype(np.float64)[::-1].copy()
    std = kappa * posterior_std(kept)
    return Table(np.maximum(short.times, 0), kept, std, std)


def _interpolated(betas: Tensor, steps: int, schedule: str) -> FastSchedule:
    """As `fast_schedule`, for chains whose betas are not linear: ln alpha_bar is linear between whole steps."""
    log_kept = np.log(shares_kept(betas))
    target = float(np.exp(log_kept[-1]))
    short = matching_betas(float(betas[0]), 0.0, 1, steps, schedule, target=target)
    wanted = np.cumsum(np.log1p(-short))[::-1]
    return FastSchedule(short, np.interp(-wanted, -log_kept, np.arange(len(log_kept))))


@torch.no_grad()
def walk(chain: NoiseChain, table: Table, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    """(n, *spec.shape), float32. The network is called once a step."""
    x = streams.normal(*spec.shape)
    fresh = streams.normals(int((table.std > 0).sum()), *spec.shape)
    rows = zip(table.times, table.x_mult, table.eps_mult, table.std, strict=True)
    for time, x_mult, eps_mult, std in rows:
        x = float(x_mult) * x + float(eps_mult) * chain.predict_noise(x, float(time), labels)
        if std > 0:
            x = x + float(std) * next(fresh)
    return x


class Walk:
    """A sampler whose table depends on the chain's betas alone."""

    def table(self, betas: Tensor) -> Table:
        """The steps."""
        raise NotImplementedError

    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape), float32."""
        chain = cast(NoiseChain, model)
        return walk(chain, self.table(chain.chain_betas), spec, streams, labels)


class Subsampled(Walk):
    """Ancestral sampling of a chain that keeps some of the steps. Source: Nichol and Dhariwal 2021, Section 4."""

    def __init__(self, config: SubsampledConfig) -> None:
        self.config = config

    def table(self, betas: Tensor) -> Table:
        """The mean is that of the posterior in both cases; the last step adds no noise."""
        known = step_table(betas, self.config.steps, self.config.spacing, 1.0)
        if self.config.variance == "posterior":
            return known
        std = np.sqrt(1 - known.kept / known.after)
        std[-1] = 0.0
        return Table(known.times, known.kept, std, known.floor)


class DDIM(Walk):
    """Non-Markovian sampling with noise of size eta. Source: Song et al. 2021, Eqs. 12 and 16."""

    def __init__(self, config: DDIMConfig) -> None:
        self.config = config

    def table(self, betas: Tensor) -> Table:
        """The steps."""
        return step_table(betas, self.config.steps, self.config.spacing, self.config.eta)


class FastDPM(Walk):
    """Short chains matched to a long one. Source: Kong and Ping 2021."""

    def __init__(self, config: FastDPMConfig) -> None:
        self.config = config

    def table(self, betas: Tensor) -> Table:
        """VAR matches variances and calls the network between whole steps; STEP keeps some of the steps."""
        config = self.config
        if config.approximation == "STEP":
            return step_table(betas, config.steps, config.schedule, config.kappa)
        return var_table(betas, config.steps, config.schedule, config.kappa)
