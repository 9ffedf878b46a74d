"""Samplers that walk a diffusion chain in few steps: sub-sampled DDPM, DDIM, FastDPM."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from harness.capabilities import NoiseChain
from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness_ddpm import DDIMConfig, FastDPMConfig, SubsampledConfig
from harness_ddpm.step_table import StepTable, var_table, whole_step_table


@torch.no_grad()
def walk(chain: NoiseChain, table: StepTable, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    """Draw one sample of each stream, (n, *spec.shape), float32. The network is called once a step."""
    x = streams.normal(*spec.shape)
    fresh_noise = streams.normals(int((table.std > 0).sum()), *spec.shape)
    rows = zip(table.times, table.x_mult, table.eps_mult, table.std, strict=True)
    for time, x_mult, eps_mult, std in rows:
        x = float(x_mult) * x + float(eps_mult) * chain.predict_noise(x, float(time), labels)
        if std > 0:
            x = x + float(std) * next(fresh_noise)
    return x


class Walk:
    """A sampler whose table depends on nothing but the betas of the chain."""

    def table(self, betas: Tensor) -> StepTable:
        """Make the table of a chain with these betas, (T,), float64, least noisy first."""
        raise NotImplementedError

    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape), float32. The network is called once a step."""
        chain = cast(NoiseChain, model)
        return walk(chain, self.table(chain.chain_betas), spec, streams, labels)


class Subsampled(Walk):
    """Ancestral sampling of a chain that keeps some of the steps. Source: Nichol and Dhariwal 2021, Section 4."""

    def __init__(self, config: SubsampledConfig) -> None:
        self.config = config

    def table(self, betas: Tensor) -> StepTable:
        """Make the table, whose means are those of the posterior for both variances. The last step adds no noise."""
        posterior = whole_step_table(betas, self.config.steps, self.config.spacing, 1.0)
        if self.config.variance == "posterior":
            return posterior
        # The variance of the forward step from b to a: 1 - a / b, which is beta_t for two neighbours.
        std = np.sqrt(1 - posterior.alpha_bars / posterior.alpha_bars_after)
        std[-1] = 0.0
        return StepTable(posterior.times, posterior.alpha_bars, std, posterior.std_given_data)


class DDIM(Walk):
    """Steps with noise of any size eta, none by default. Source: Song et al. 2021 (DDIM), Eqs. 12 and 16."""

    def __init__(self, config: DDIMConfig) -> None:
        self.config = config

    def table(self, betas: Tensor) -> StepTable:
        """Make the table."""
        return whole_step_table(betas, self.config.steps, self.config.spacing, self.config.eta)


class FastDPM(Walk):
    """A short chain that is matched to a long one. Source: Kong and Ping 2021."""

    def __init__(self, config: FastDPMConfig) -> None:
        self.config = config

    def table(self, betas: Tensor) -> StepTable:
        """Make the table: VAR matches variances and calls the network between whole steps; STEP keeps some of the steps."""
        config = self.config
        if config.approximation == "STEP":
            return whole_step_table(betas, config.steps, config.schedule, config.kappa)
        return var_table(betas, config.steps, config.schedule, config.kappa)
