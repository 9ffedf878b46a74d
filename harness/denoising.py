"""What denoisers over continuous noise levels share: their settings, the draw of a level, the loss and its weight.

Importing this module costs no torch: plugins' settings are derived from `NoiseLevels`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self, cast

from pydantic import Field, model_validator

from harness.config import Config
from harness.interfaces import DataSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor


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
    return Scalings(
        sigma_data**2 / variance, level * sigma_data * variance.rsqrt(), variance.rsqrt(), level.log() / 4
    )


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
