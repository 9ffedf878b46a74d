"""EDM's denoiser of points: a small network inside the preconditioning."""

from __future__ import annotations

from torch import Tensor, nn

from harness.interfaces import DataSpec
from harness.toolkit.denoising import DenoisingObjective, column, scalings
from harness_edm import EDMConfig
from harness_edm.network import NoiseConditionedMLP


class EDM(DenoisingObjective, nn.Module):
    """A denoiser whose network sees inputs and targets of unit variance at every noise level.

    Provides Trains, TrainsInParts, Likelihood and Denoises. The model is unconditional: labels are ignored.
    Source: Karras et al. 2022, Table 1 and Section 5.
    """

    config: EDMConfig

    def __init__(self, config: EDMConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.model = NoiseConditionedMLP(spec.shape, config.width, config.depth)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """D(x; sigma) = c_skip x + c_out F(c_in x; c_noise) (Eq. 7), (B, …), float32.

        Args:
            x: noisy points, (B, …).
            sigma: noise levels, (B,), or 0-dim for one level, above 0, in units of the data.
        """
        x, sigma = x.float(), sigma.float()
        c_skip, c_out, c_in, c_noise = scalings(column(sigma, x), self.config.sigma_data)
        raw: Tensor = self.model(c_in * x, c_noise.view(sigma.shape))
        return c_skip * x + c_out * raw

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """E[clean | noisy], (B, …), float32. sigma: (B,) or 0-dim, above 0."""
        denoised: Tensor = self(x, sigma)
        return denoised


def build(config: EDMConfig, spec: DataSpec) -> EDM:
    """Build a denoiser with random weights for data of this shape."""
    return EDM(config, spec)
