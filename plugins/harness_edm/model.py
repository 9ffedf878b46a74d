"""The EDM denoiser as the harness uses it: scalings, loss, and the likelihood bound's term."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from harness.interfaces import DataSpec
from harness_edm import EDMConfig
from harness_edm.network import NoiseConditionedMLP


class NoisyLevel(NamedTuple):
    """The random part of the bound: `sigma` (B,), in units of the data, and `noise` (B, …), standard normal."""

    sigma: Tensor
    noise: Tensor


class EDM(nn.Module):
    """A denoiser whose network sees inputs and targets of unit variance at every noise level.

    Provides Trains, Likelihood and Denoises. It is unconditional: labels are ignored.
    Source: Karras et al. 2022, Table 1 and Section 5.
    """

    def __init__(self, config: EDMConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.model = NoiseConditionedMLP(spec.shape, config.width, config.depth)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The denoised x, (B, …), float32. x: (B, …); sigma: (B,) or 0-dim, above 0, in units of the data."""
        x, sigma = x.float(), sigma.float()
        scale = sigma if sigma.dim() == 0 else self._column(sigma)
        data = self.config.sigma_data
        variance = scale**2 + data**2
        c_skip, c_out, c_in = data**2 / variance, scale * data * variance.rsqrt(), variance.rsqrt()
        raw: Tensor = self.model(c_in * x, sigma.log() / 4)
        return c_skip * x + c_out * raw

    def _column(self, values: Tensor) -> Tensor:
        """(B,) -> (B, 1, …)."""
        return values.view(-1, *[1] * len(self.spec.shape))

    @property
    def sigma_range(self) -> tuple[float, float]:
        """Smallest and largest noise level to sample with, as standard deviations in units of the data."""
        return self.config.sigma_min, self.config.sigma_max

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """E[clean | noisy], (B, …), float32. sigma: (B,) or 0-dim, above 0."""
        denoised: Tensor = self(x, sigma)
        return denoised

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """The weighted squared error, (B,), summed over dimensions. Source: Karras et al. 2022, Eq. 2 and Table 1."""
        return -self.log_likelihood(x, labels, self.draw(x, generator))

    def draw(self, x: Tensor, generator: torch.Generator) -> NoisyLevel:
        """Noise levels, ln(sigma) normal, and noise for a batch x (B, …). Drawn on the CPU and moved to x."""
        sigma = (self.config.p_mean + self.config.p_std * torch.randn(len(x), generator=generator)).exp()
        noise = torch.randn(x.shape, generator=generator)
        return NoisyLevel(sigma.to(x.device), noise.to(x.device))

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Minus the squared error of the denoised x, (B,), summed over dimensions, with EDM's weight
        (sigma^2 + sigma_data^2) / (sigma * sigma_data)^2 in the place of the exact bound's."""
        sigma, noise = cast(NoisyLevel, draw)
        data = self.config.sigma_data
        weight = (sigma**2 + data**2) / (sigma * data) ** 2
        denoised = self.denoise(x + self._column(sigma) * noise, sigma, labels)
        return -weight * (denoised - x).square().flatten(1).sum(1)


def build(config: EDMConfig, spec: DataSpec) -> EDM:
    """An EDM with random weights for data of this shape."""
    return EDM(config, spec)
