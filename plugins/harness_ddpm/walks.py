"""Samplers that walk a diffusion chain in few steps: sub-sampled DDPM, DDIM, FastDPM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor

from harness.capabilities import NoiseChain
from harness.interfaces import Batch, DataSpec
from harness.streams import SampleStreams
from harness_ddpm import ClippedConfig, DDIMConfig, FastDPMConfig, SubsampledConfig
from harness_ddpm.examples import Examples
from harness_ddpm.image_bounds import noise_of_clipped, of_images
from harness_ddpm.step_table import StepTable, var_table, whole_step_table


@torch.no_grad()
def walk(
    chain: NoiseChain,
    table: StepTable,
    spec: DataSpec,
    streams: SampleStreams,
    labels: Tensor | None,
    *,
    start: Tensor | None = None,
    clip: bool = False,
) -> Tensor:
    """Draw one sample of each stream, (n, *spec.shape), float32. The network is called once a step.

    Args:
        start: the first states, (n, *spec.shape); None draws them from N(0, I).
        clip: clip the predicted image to [-1, 1] at each step. Examples that are no images are not clipped.
    """
    x = streams.normal(*spec.shape) if start is None else start
    fresh_noise = streams.normals(int((table.std > 0).sum()), *spec.shape)
    rows = zip(table.times, table.alpha_bars, table.x_mult, table.eps_mult, table.std, strict=True)
    for time, alpha_bar, x_mult, eps_mult, std in rows:
        eps = chain.predict_noise(x, float(time), labels)
        if clip and of_images(spec):
            eps = noise_of_clipped(x, eps, float(alpha_bar))
        x = float(x_mult) * x + float(eps_mult) * eps
        if std > 0:
            x = x + float(std) * next(fresh_noise)
    return x


class Walk:
    """A sampler whose table depends on nothing but the betas of the chain."""

    config: ClippedConfig

    def table(self, betas: Tensor) -> StepTable:
        """Make the table of a chain with these betas, (T,), float64, least noisy first."""
        raise NotImplementedError

    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape), float32. The network is called once a step."""
        chain = cast(NoiseChain, model)
        return walk(chain, self.table(chain.chain_betas), spec, streams, labels, clip=self.config.clip_denoised)


class Subsampled(Walk):
    """Ancestral sampling of a chain that keeps some of the steps. Source: Nichol and Dhariwal 2021, Section 4.

    With `start: data` the first state is sqrt(a) x_0 + sqrt(1 - a) eps, where x_0 is a training example and a the first step's
    share of signal variance. So the walk starts where the forward chain ends, and not at N(0, I).
    """

    config: SubsampledConfig

    def __init__(self, config: SubsampledConfig) -> None:
        self.config = config
        self.examples = Examples()

    @property
    def needs_preparation(self) -> bool:
        """Whether training examples are kept, to start from."""
        return self.config.start == "data"

    def prepare(self, model: torch.nn.Module, spec: DataSpec, train: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Keep training examples to start from. Returns: what `Examples.chosen` returns."""
        return Examples.chosen(train, generator)

    def use(self, prepared: Mapping[str, Tensor]) -> None:
        """Take the examples that `prepare` returned, for all samples from now on."""
        self.examples = Examples(prepared)

    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape), float32. The network is called once a step."""
        chain = cast(NoiseChain, model)
        table = self.table(chain.chain_betas)
        start = self.examples.noised(float(table.alpha_bars[0]), streams, labels) if self.needs_preparation else None
        return walk(chain, table, spec, streams, labels, start=start, clip=self.config.clip_denoised)

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

    config: DDIMConfig

    def __init__(self, config: DDIMConfig) -> None:
        self.config = config

    def table(self, betas: Tensor) -> StepTable:
        """Make the table."""
        return whole_step_table(betas, self.config.steps, self.config.spacing, self.config.eta)


class FastDPM(Walk):
    """A short chain that is matched to a long one. Source: Kong and Ping 2021."""

    config: FastDPMConfig

    def __init__(self, config: FastDPMConfig) -> None:
        self.config = config

    def table(self, betas: Tensor) -> StepTable:
        """Make the table: VAR matches variances and calls the network between whole steps; STEP keeps some of the steps."""
        config = self.config
        if config.approximation == "STEP":
            return whole_step_table(betas, config.steps, config.schedule, config.kappa)
        return var_table(betas, config.steps, config.schedule, config.kappa)
