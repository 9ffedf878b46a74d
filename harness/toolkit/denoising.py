"""Denoisers over continuous noise levels: their settings, scalings, the draw of a level, the loss and its weight.

A denoiser D(x; sigma) estimates clean data from x = clean + sigma * noise. Importing this module costs no torch, since plugins
derive their settings from `NoiseLevels`. Source: Karras et al. 2022 (EDM, arXiv 2206.00364); equation numbers are the paper's.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self, cast

from pydantic import Field, model_validator

from harness.capabilities import BoundWeighting
from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    from harness.capabilities import Gaussian


class NoiseLevels(Config):
    """The noise levels that a denoiser is trained on and sampled from."""

    sigma_data: float = Field(0.5, gt=0, description="standard deviation of the data that the scalings assume")
    p_mean: float = Field(-1.2, ge=-20, le=20, description="mean of ln(sigma) in training")
    p_std: float = Field(1.2, gt=0, le=20, description="standard deviation of ln(sigma) in training")
    sigma_min: float = Field(0.002, gt=0, description="smallest noise level of sampling, in units of the data")
    sigma_max: float = Field(80.0, gt=0, description="largest noise level of sampling, in units of the data")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sigma_min >= self.sigma_max:
            raise ValueError(f"sigma_min ({self.sigma_min}) is not below sigma_max ({self.sigma_max})")
        return self


class ChainLevels(NoiseLevels):
    """The noise levels of a denoiser, and of its chain of Gaussian steps."""

    is_conditional: bool = Field(
        True, description="take the class as input where the data has classes; the Gaussian chain needs false there"
    )
    chain_steps: int = Field(10, ge=2, le=10_000, description="Gaussian steps of the `ancestral` sampler")
    chain_rho: float = Field(7.0, ge=1, le=100, description="spacing of its noise levels: 1 is even, more is denser below")
    chain_noise: float = Field(
        1.0, gt=0, le=1, description="noise of its steps: 1 is all that the posterior of DDPM has, towards 0 it is Euler's step"
    )


class NoisyLevel(NamedTuple):
    """The random part of the bound: `sigma` (B,), in units of the data, and `noise` (B, …), standard normal."""

    sigma: Tensor
    noise: Tensor


class NoisyLevelAndMask(NamedTuple):
    """A `NoisyLevel`, and the `seed` that decides which activations a network with dropout drops."""

    sigma: Tensor
    noise: Tensor
    seed: int


class Scalings(NamedTuple):
    """The factors around a raw network F: D(x; sigma) = c_skip x + c_out F(c_in x; c_noise) (Eq. 7).

    All four have the shape of the noise levels that they were made for.
    """

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


def scalings(level: Tensor, sigma_data: float) -> Scalings:
    """Return the scalings that give F inputs and targets of unit variance at every noise level.

    Args:
        level: noise levels sigma of any shape, above 0.
        sigma_data: standard deviation of the clean data.
    Source: Table 1; derived in appendix B.6.
    """
    # c_in    = 1 / sqrt(s^2 + d^2)        x has the variance s^2 + d^2 (s = level, d = sigma_data).
    # c_skip  = d^2 / (s^2 + d^2)          The share of x that makes c_out smallest, so that errors of F weigh least.
    # c_out   = s d / sqrt(s^2 + d^2)      F's target (clean - c_skip x) / c_out then has unit variance.
    # c_noise = ln(s) / 4                  Found by experiment; it spans about -1.6 to 1.1.
    variance = level**2 + sigma_data**2
    return Scalings(sigma_data**2 / variance, level * sigma_data * variance.rsqrt(), variance.rsqrt(), level.log() / 4)


def loss_weight(sigma: Tensor, sigma_data: float) -> Tensor:
    """Return EDM's weight of the squared error at each noise level: (sigma^2 + sigma_data^2) / (sigma sigma_data)^2 (Table 1).

    It is 1 / c_out^2, so the weighted loss is |F - target|^2, whose size is the same at all levels while F is untrained (Eq. 8).
    """
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2


def column(values: Tensor, like: Tensor) -> Tensor:
    """Reshape one value for each example so that it broadcasts over data: (B,) -> (B, 1, …), with as many axes as `like`.

    A 0-dim value, the same for all examples, stays as it is.
    """
    return values if values.dim() == 0 else values.view(-1, *[1] * (like.dim() - 1))


class DenoisingObjective:
    """Trains, TrainsInParts, Likelihood, WeightedBound and `sigma_range` for a module that has `config`, `spec` and `denoise`.

    The loss is the weighted squared error of the denoised data, at one random noise level for each example (Eq. 2, Table 1).
    """

    config: NoiseLevels
    spec: DataSpec
    training: bool

    @property
    def dropout(self) -> float:
        """Probability with which the network drops an activation in training."""
        return float(getattr(self.config, "dropout", 0.0))

    @property
    def sigma_range(self) -> tuple[float, float]:
        """Smallest and largest noise level to sample with: standard deviations in units of the data."""
        return self.config.sigma_min, self.config.sigma_max

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """E[clean | noisy], (B, …), float32.

        Args:
            x: noisy data, (B, …).
            sigma: noise levels, (B,) or 0-dim, above 0.
            labels: (B,) int64, or None.
        """
        raise NotImplementedError

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return the weighted squared error at noise levels and noise from the generator, (B,), summed over dimensions."""
        return self.training_loss_at(x, labels, self.training_draw(x, generator))

    def training_draw(self, x: Tensor, generator: torch.Generator) -> NoisyLevel | NoisyLevelAndMask:
        """Draw the random part of the training loss. The likelihood uses the same kind of draw."""
        return self.draw(x, generator)

    def training_loss_at(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return the weighted squared error at a draw, (B,), summed over dimensions."""
        return -self.log_likelihood(x, labels, draw)

    def draw(self, x: Tensor, generator: torch.Generator) -> NoisyLevel | NoisyLevelAndMask:
        """Draw a noise level and noise for each example of x (B, …); a seed too, where the network has dropout.

        ln(sigma) is normal with mean `p_mean` and standard deviation `p_std` (Table 1). Numbers are drawn on the CPU and moved
        to the device of x.
        """
        return self._draw_at(self._normal_levels(len(x), generator, self.config.p_mean, self.config.p_std), x, generator)

    def draw_weighted(self, x: Tensor, generator: torch.Generator, weighting: BoundWeighting) -> NoisyLevel | NoisyLevelAndMask:
        """Draw like `draw`; for the weight "elbo" with ln(sigma) uniform between the smallest and the largest noise level."""
        import torch

        if weighting.weight == "elbo":
            low, high = self.config.sigma_min, self.config.sigma_max
            return self._draw_at(low * (high / low) ** torch.rand(len(x), generator=generator), x, generator)
        p_mean = self.config.p_mean if weighting.p_mean is None else weighting.p_mean
        p_std = self.config.p_std if weighting.p_std is None else weighting.p_std
        return self._draw_at(self._normal_levels(len(x), generator, p_mean, p_std), x, generator)

    @staticmethod
    def _normal_levels(n: int, generator: torch.Generator, p_mean: float, p_std: float) -> Tensor:
        import torch

        return (p_mean + p_std * torch.randn(n, generator=generator)).exp()

    def _draw_at(self, sigma: Tensor, x: Tensor, generator: torch.Generator) -> NoisyLevel | NoisyLevelAndMask:
        import torch

        noise = torch.randn(x.shape, generator=generator)
        if not self.training or self.dropout == 0:
            return NoisyLevel(sigma.to(x.device), noise.to(x.device))
        seed = int(torch.randint(2**62, (), generator=generator))
        return NoisyLevelAndMask(sigma.to(x.device), noise.to(x.device), seed)

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return minus the weighted squared error of the denoised data, (B,), summed over dimensions.

        This is a bound of the log-likelihood with another weight of the noise levels: the bound's own weight is
        1 / sigma^2, at levels uniform in ln(sigma), and EDM's weight takes its place, as in training.
        """
        return self.weighted_bound(x, labels, draw, BoundWeighting("edm"))

    def weighted_bound(self, x: Tensor, labels: Tensor | None, draw: object, weighting: BoundWeighting) -> Tensor:
        """Return minus the weighted squared error of the denoised data, (B,), summed over dimensions.

        The weight of |D - x|^2 is that of EDM's training loss ("edm" and "model"); 1 / sigma^2 ("simple"), which is 1 for the
        error of the noise; or ln(high / low) / sigma^2 ("elbo") for levels uniform in ln(sigma) between low and high, which makes
        the mean over draws the integral of |D - x|^2 / sigma^2 over ln(sigma), the part of the bound within these levels.
        Source of the bound: Kingma et al. 2021 (VDM), Eq. 18, with the signal-to-noise ratio 1 / sigma^2.
        """
        return -self.weighted_error(lambda noisy, sigma: self.denoise(noisy, sigma, labels), x, draw, weighting.weight)

    def weighted_error(self, denoise: Callable[[Tensor, Tensor], Tensor], x: Tensor, draw: object, weight: str) -> Tensor:
        """Return the weighted squared error at a draw, (B,), of a function that denoises (B, …) at noise levels (B,)."""
        from harness.streams import seeded

        # w(sigma) |D(x + sigma n; sigma) - x|^2
        sigma, noise, *seed = cast("NoisyLevel | NoisyLevelAndMask", draw)
        with seeded(seed[0] if seed else None, x.device):
            denoised = denoise(x + column(sigma, x) * noise, sigma)
        return self._weight(sigma, weight) * (denoised - x).square().flatten(1).sum(1)

    def _weight(self, sigma: Tensor, name: str) -> Tensor:
        if name == "simple":
            return sigma**-2
        if name == "elbo":
            return math.log(self.config.sigma_max / self.config.sigma_min) * sigma**-2
        return loss_weight(sigma, self.config.sigma_data)


LAST_STD_SHARE = 0.001
"""Noise of a chain's last step, as a share of sigma_data. Without noise the step would have no log density."""


class GaussianChain:
    """Transitions for a denoiser with `config` and `denoise`: EDM's stochastic sampler, with its two half steps swapped.

    EDM's sampler (Algorithm 2) first adds noise, and then goes down along the ODE dx / d sigma = (x - D(x; sigma)) / sigma.
    The second half is a function of the noise, so the whole step is not Gaussian. With the halves swapped it is. A step from
    level s to the next level t goes down to a level d <= t by Euler's rule, and then adds noise up to t:

        x_next ~ N(x + (d - s) (x - D(x; s)) / s,  t^2 - d^2).

    `chain_noise` decides how deep d is. At its largest, 1, d = t^2 / s, and the step is DDPM's posterior of x_next given x and
    clean data D(x; s): mean (t / s)^2 x + (1 - (t / s)^2) D, variance t^2 (1 - (t / s)^2). Towards 0, d = t and no noise is
    added.
    """

    config: ChainLevels
    spec: DataSpec
    takes_labels: bool

    @property
    def transitions(self) -> int:
        """Number of Gaussian steps."""
        return self.config.chain_steps

    def transition(self, x: Tensor, step: int | Tensor) -> Gaussian:
        """Return the distribution of the next state, given the state x.

        Step 0 starts from standard normal noise, and the last step lands on the data.

        Args:
            x: (B, …).
            step: one index for all examples, or (B,) int64, in [0, transitions).
        Returns: mean (B, …); std 0-dim or (B, 1, …).
        Raises: UserError on a conditional network.
        """
        import torch

        from harness.capabilities import Gaussian

        if self.takes_labels:
            raise UserError("the Gaussian chain has no labels: set `is_conditional: false` in the model's settings")
        table = {name: values.to(x.device)[step] for name, values in self._chain.items()}
        here, down, std = (column(table[name], x) for name in ("here", "down", "std"))
        x = torch.where(column(table["is_first"], x), here * x, x)  # the first state is noise of the largest level
        denoised = self.denoise(x, table["here"], None)
        return Gaussian(x + (down - here) / here * (x - denoised), std)

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """E[clean | noisy], (B, …), as in `DenoisingObjective`."""
        raise NotImplementedError

    @cached_property
    def _chain(self) -> dict[str, Tensor]:
        """Tables over the S steps, (S,), float32: the level `here`, the level `down` that a step goes to, the `std` it adds."""
        import torch

        c = self.config
        # Eq. 5: sigma_i = (max^(1/rho) + i / (S - 1) (min^(1/rho) - max^(1/rho)))^rho; behind the last level comes 0.
        ends = c.sigma_max ** (1 / c.chain_rho), c.sigma_min ** (1 / c.chain_rho)
        here = torch.linspace(*ends, c.chain_steps, dtype=torch.float64) ** c.chain_rho
        following = torch.cat([here[1:], here.new_zeros(1)])
        std = c.chain_noise * following * (1 - (following / here) ** 2).sqrt()
        down = (following**2 - std**2).sqrt()
        std[-1] = LAST_STD_SHARE * c.sigma_data
        tables = {name: values.float() for name, values in {"here": here, "down": down, "std": std}.items()}
        return {**tables, "is_first": torch.arange(c.chain_steps) == 0}
