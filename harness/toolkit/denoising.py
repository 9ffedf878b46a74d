"""What denoisers over continuous noise levels share: their settings, the draw of a level, the loss and its weight.

Importing this module costs no torch: plugins' settings are derived from `NoiseLevels`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self, cast

from pydantic import Field, model_validator

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec

if TYPE_CHECKING:
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
    """A denoiser's noise levels, and those of its chain of Gaussian steps."""

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
    """As `NoisyLevel`, for a network that drops activations, and the `seed` of which ones."""

    sigma: Tensor
    noise: Tensor
    seed: int


class Scalings(NamedTuple):
    """D(x) = c_skip x + c_out F(c_in x, c_noise). The first three have the shape of the level they were made for."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


def scalings(level: Tensor, sigma_data: float) -> Scalings:
    """The scalings that give F inputs and targets of unit variance at every level; c_noise is ln(level) / 4.

    Source: Karras et al. 2022, Table 1.
    """
    variance = level**2 + sigma_data**2
    return Scalings(sigma_data**2 / variance, level * sigma_data * variance.rsqrt(), variance.rsqrt(), level.log() / 4)


def loss_weight(sigma: Tensor, sigma_data: float) -> Tensor:
    """(sigma^2 + sigma_data^2) / (sigma sigma_data)^2, which makes the loss of an untrained F equal at all levels."""
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2


def column(values: Tensor, like: Tensor) -> Tensor:
    """Values of a batch beside data of any shape: (B,) -> (B, 1, …) with the dimensions of `like`; 0-dim stays."""
    return values if values.dim() == 0 else values.view(-1, *[1] * (like.dim() - 1))


class DenoisingObjective:
    """Trains, TrainsInParts, Likelihood and half of Denoises for a module that has `config`, `spec` and `denoise`.

    Source: Karras et al. 2022, Eq. 2 and Table 1.
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
        """Smallest and largest noise level to sample with, as standard deviations in units of the data."""
        return self.config.sigma_min, self.config.sigma_max

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """E[clean | noisy], (B, …), float32. sigma: (B,) or 0-dim, above 0."""
        raise NotImplementedError

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """The training loss at noise levels and noise from the generator, (B,), summed over dimensions."""
        return self.training_loss_at(x, labels, self.training_draw(x, generator))

    def training_draw(self, x: Tensor, generator: torch.Generator) -> NoisyLevel | NoisyLevelAndMask:
        """As `draw`."""
        return self.draw(x, generator)

    def training_loss_at(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """The weighted squared error, (B,), summed over dimensions."""
        return -self.log_likelihood(x, labels, draw)

    def draw(self, x: Tensor, generator: torch.Generator) -> NoisyLevel | NoisyLevelAndMask:
        """Noise levels, ln(sigma) normal, and noise for a batch x (B, …). Drawn on the CPU and moved to x."""
        import torch

        sigma = (self.config.p_mean + self.config.p_std * torch.randn(len(x), generator=generator)).exp()
        noise = torch.randn(x.shape, generator=generator)
        if not self.training or self.dropout == 0:
            return NoisyLevel(sigma.to(x.device), noise.to(x.device))
        seed = int(torch.randint(2**62, (), generator=generator))
        return NoisyLevelAndMask(sigma.to(x.device), noise.to(x.device), seed)

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Minus the squared error of the denoised x, (B,), summed over dimensions, with EDM's weight
        (sigma^2 + sigma_data^2) / (sigma * sigma_data)^2 in the place of the exact bound's."""
        from harness.streams import seeded

        sigma, noise, *seed = cast("NoisyLevel | NoisyLevelAndMask", draw)
        with seeded(seed[0] if seed else None, x.device):
            denoised = self.denoise(x + column(sigma, x) * noise, sigma, labels)
        return -loss_weight(sigma, self.config.sigma_data) * (denoised - x).square().flatten(1).sum(1)


LAST_STD = 0.001
"""Noise of a chain's last step, as a share of sigma_data: with none, its log density would have no value."""


class GaussianChain:
    """Transitions for a denoiser with `config` and `denoise`: EDM's stochastic sampler, cut between its other two halves.

    That sampler adds noise, then goes down along the ODE by a function of the state with the noise in it, so its steps are
    not Gaussian. Cut the other way, they are: from level s, Euler's step down to some level d, then noise up to the next
    level, mean x + (d - s) (x - D(x; s)) / s and variance next^2 - d^2. With the most noise, d = next^2 / s, this is the
    posterior of DDPM. Source: Karras et al. 2022, Algorithm 2 without the second-order correction.
    """

    config: ChainLevels
    spec: DataSpec
    takes_labels: bool

    @property
    def transitions(self) -> int:
        """Number of Gaussian steps."""
        return self.config.chain_steps

    def transition(self, x: Tensor, step: int | Tensor) -> Gaussian:
        """The next state given x (B, …); step 0 is given standard normal noise, the last step lands on the data.

        step: one index for all, or (B,) int64. Raises: UserError on a conditional network.
        """
        import torch

        from harness.capabilities import Gaussian

        if self.takes_labels:
            raise UserError("the Gaussian chain has no labels: set `is_conditional: false` in the model's settings")
        table = {name: values.to(x.device)[step] for name, values in self._chain.items()}
        here, down, std = (column(table[name], x) for name in ("here", "down", "std"))
        x = torch.where(column(table["is_first"], x), here * x, x)
        denoised = self.denoise(x, table["here"], None)
        return Gaussian(x + (down - here) / here * (x - denoised), std)

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """E[clean | noisy], (B, …)."""
        raise NotImplementedError

    @cached_property
    def _chain(self) -> dict[str, Tensor]:
        """Each step's level `here`, the level `down` to which it goes, `std` of what it adds: (S,) float32."""
        import torch

        c = self.config
        ends = c.sigma_max ** (1 / c.chain_rho), c.sigma_min ** (1 / c.chain_rho)
        here = torch.linspace(*ends, c.chain_steps, dtype=torch.float64) ** c.chain_rho
        following = torch.cat([here[1:], here.new_zeros(1)])
        std = c.chain_noise * following * (1 - (following / here) ** 2).sqrt()
        down = (following**2 - std**2).sqrt()
        std[-1] = LAST_STD * c.sigma_data
        table = {"here": here, "down": down, "std": std}
        found = {name: values.float() for name, values in table.items()}
        return {**found, "is_first": torch.arange(c.chain_steps) == 0}
