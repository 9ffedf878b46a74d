"""Samplers with the best variance of each step: Analytic-DPM, and SN-DPM and NPR-DPM with a small trained head.

The steps are those of `harness_ddpm.step_table`. A reverse step does not know the noise eps in x, only the mean of eps given x.
The step multiplies that mean by eps_mult. So the best Gaussian step has the variance

    lambda^2 + eps_mult^2 Var(eps | x)

(Bao et al. 2022, Analytic-DPM, Theorem 1, in terms of eps). DDPM takes Var(eps | x) for 0. Analytic-DPM takes one number for
each step, the mean over data and coordinates; SN-DPM and NPR-DPM take a number for each coordinate, from a head that is trained
on the frozen base. The mean of Var(eps | x) over x is between 0 and 1, since eps has unit variance.
At a single x the variance may exceed 1; estimates for points are clipped to [0, 1] nevertheless. On images all estimates have the
bounds of `harness_ddpm.image_bounds`, as in the authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from harness.capabilities import NoiseChain
from harness.interfaces import Batch, DataSpec
from harness.streams import SampleStreams
from harness_ddpm import AnalyticConfig, BestVarianceConfig, HeadConfig
from harness_ddpm.image_bounds import largest_std_of_noise, largest_variance_of_noise, noise_of_clipped, of_images
from harness_ddpm.step_table import StepTable, whole_step_table
from harness_ddpm.variance_head import VarianceHead, relative_time, train_head
from harness_ddpm.walks import walk

ROWS = 512
"""Examples of one call of the network."""

UNPREPARED = "the harness prepares the sampler before it draws"


def last_std(config: BestVarianceConfig, spec: DataSpec) -> float:
    """Return the largest standard deviation of the last noisy step, which is the last but one; infinity where it has no bound."""
    levels = config.clip_grey_levels
    return math.inf if levels is None or not of_images(spec) else largest_std_of_noise(levels)


class Analytic:
    """Analytic-DPM: the variance of a step is lambda^2 + eps_mult^2 (1 - Gamma) with Gamma = E |eps_theta|^2 / d.

    For a perfect network eps_theta = E[eps | x], so E |eps_theta|^2 / d = 1 - E Var(eps | x). The last step adds no noise.
    Source: Bao et al. 2022 (Analytic-DPM), Eq. 9.
    """

    needs_preparation = True

    def __init__(self, config: AnalyticConfig) -> None:
        self.config = config
        self.gamma: Tensor | None = None

    @torch.no_grad()
    def prepare(self, model: nn.Module, spec: DataSpec, train: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Estimate `gamma`, the mean square of the predicted noise at each step, (S,). One call for each example and step."""
        chain = cast(NoiseChain, model)
        table = self._steps(chain)
        clean = self._examples(chain, spec, train, generator)
        means = []
        for time, alpha_bar in zip(table.times.tolist(), table.alpha_bars.tolist(), strict=True):
            total = 0.0
            for start in range(0, len(clean), ROWS):
                part = clean[slice(start, start + ROWS)]
                eps = torch.randn(part.x.shape, generator=generator).to(part.x.device)
                noisy = math.sqrt(alpha_bar) * part.x + math.sqrt(1 - alpha_bar) * eps
                total += float(chain.predict_noise(noisy, time, part.labels).double().square().sum())
            means.append(total / clean.x.numel())
        return {"gamma": torch.tensor(means, dtype=torch.float64)}

    def use(self, prepared: Mapping[str, Tensor]) -> None:
        """Take the estimates that `prepare` returned, for all samples from now on."""
        self.gamma = prepared["gamma"]

    def __call__(self, model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape), float32. The network is called once a step."""
        chain = cast(NoiseChain, model)
        return walk(chain, self.table(self._steps(chain), spec), spec, streams, labels, clip=self.config.clip_denoised)

    def table(self, steps: StepTable, spec: DataSpec) -> StepTable:
        """Return the same steps with their best variance."""
        assert self.gamma is not None, UNPREPARED
        largest = [min(1.0, largest_variance_of_noise(spec, a)) for a in steps.alpha_bars]  # of a mean over x
        unknown = np.clip(1 - self.gamma.numpy(), 0, largest)  # E Var(eps | x)
        std = np.sqrt(steps.std_given_data**2 + steps.eps_mult**2 * unknown)
        std[-2:-1] = np.minimum(std[-2:-1], last_std(self.config, spec))
        std[-1] = 0.0
        return StepTable(steps.times, steps.alpha_bars, std, steps.std_given_data)

    def _steps(self, chain: NoiseChain) -> StepTable:
        return whole_step_table(chain.chain_betas, self.config.steps, self.config.spacing, self.config.eta)

    def _examples(self, chain: NoiseChain, spec: DataSpec, train: Batch, generator: torch.Generator) -> Batch:
        """Choose training data, or draw samples of the base with the labels of chosen training data."""
        chosen = torch.randint(len(train), (self.config.examples,), generator=generator).to(train.x.device)
        if self.config.source == "train":
            return train[chosen]
        labels = None if train.labels is None else train.labels[chosen]
        seed = int(torch.randint(2**31, (), generator=generator))
        streams = SampleStreams(seed, "prepare", range(self.config.examples), train.x.device)
        ddpm = whole_step_table(chain.chain_betas, self.config.steps, self.config.spacing, 1.0)
        return Batch(walk(chain, ddpm, spec, streams, labels, clip=self.config.clip_denoised), labels)


class WithHead:
    """A walk with variances from a head that was trained on the frozen base. The last step adds no noise.

    In the paper the head shares the U-Net's features. Here it stands beside any network, and it is so small that it does not
    count among the network's evaluations.
    Source: Bao et al. 2022 (Estimating the optimal covariance with imperfect mean), Eqs. 9 and 14.
    """

    needs_preparation = True
    predicts_residual: bool

    def __init__(self, config: HeadConfig) -> None:
        self.config = config
        self.prepared: Mapping[str, Tensor] | None = None
        self._head: VarianceHead | None = None

    def prepare(self, model: nn.Module, spec: DataSpec, train: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Train the head. Returns: its weights."""
        chain = cast(NoiseChain, model)
        head = train_head(self.config, chain, spec, train, generator, predicts_residual=self.predicts_residual)
        return head.state_dict()

    def use(self, prepared: Mapping[str, Tensor]) -> None:
        """Take the weights that `prepare` returned, for all samples from now on."""
        self.prepared, self._head = prepared, None

    @torch.no_grad()
    def __call__(self, model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape), float32. The network is called once a step."""
        chain = cast(NoiseChain, model)
        table = whole_step_table(chain.chain_betas, self.config.steps, self.config.spacing, self.config.eta)
        head, total = self.head(spec, streams.device), len(chain.chain_betas)
        x, last = streams.normal(*spec.shape), len(table.times) - 1
        fresh_noise = streams.normals(last, *spec.shape)
        rows = zip(table.times, table.alpha_bars, table.x_mult, table.eps_mult, table.std_given_data, strict=True)
        for index, (time, alpha_bar, x_mult, eps_mult, std_given_data) in enumerate(rows):
            eps = chain.predict_noise(x, float(time), labels)
            towards = noise_of_clipped(x, eps, float(alpha_bar)) if self.config.clip_denoised and of_images(spec) else eps
            mean = float(x_mult) * x + float(eps_mult) * towards
            if index < last:
                out = head(x, eps, torch.tensor(relative_time(time, total), device=x.device))
                unknown = self.unknown(out, eps, largest_variance_of_noise(spec, float(alpha_bar)))
                std = (float(std_given_data) ** 2 + float(eps_mult) ** 2 * unknown).sqrt()
                bound = last_std(self.config, spec) if index == last - 1 else math.inf
                mean = mean + std.clamp(max=bound) * next(fresh_noise)
            x = mean
        return x

    def unknown(self, out: Tensor, eps: Tensor, largest: float) -> Tensor:
        """Var(eps | x) of each coordinate, (B, …), between 0 and `largest`, from the head's output and the predicted noise.

        A head that predicts E[eps^2 | x] gives the variance once the square of the predicted noise is subtracted.
        """
        return (out if self.predicts_residual else out - eps.square()).clamp(0, largest)

    def head(self, spec: DataSpec, device: torch.device) -> VarianceHead:
        """Return the prepared head."""
        assert self.prepared is not None, UNPREPARED
        if self._head is None:
            with torch.random.fork_rng(devices=[]):
                self._head = VarianceHead(spec.shape, self.config.width)
            self._head.load_state_dict(dict(self.prepared))
        return self._head.to(device).eval()


class SquaredNoise(WithHead):
    """SN-DPM: the head predicts E[eps^2 | x], and the square of the predicted noise is subtracted."""

    predicts_residual = False


class Residual(WithHead):
    """NPR-DPM: the head predicts E[(eps - eps_theta)^2 | x], which is right for an imperfect network too."""

    predicts_residual = True
