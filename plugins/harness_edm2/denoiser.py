"""The EDM2 denoiser: preconditioning around the U-Net, and the learned log-variance of its loss."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from harness.interfaces import DataSpec
from harness.toolkit.denoising import NoisyLevel, NoisyLevelAndMask
from harness.toolkit.image_denoiser import ImageDenoiser
from harness_edm2 import EDM2Config
from harness_edm2.check import image_size
from harness_edm2.layers import Fourier, Weight, normalise
from harness_edm2.unet import UNet


class EDM2(ImageDenoiser):
    """A denoiser of images or latents. The state dict has the published names.

    Forced weight normalisation brings every row of weights to mean square 1. In train mode each evaluation normalises; the
    harness trains in eval mode, where `constrain` normalises after each update.

    Raises: UserError for data that are no fitting images.
    Source: Karras et al. 2024.
    """

    config: EDM2Config

    def __init__(self, config: EDM2Config, spec: DataSpec) -> None:
        super().__init__(config, spec)
        channels, resolution = image_size(config, spec)
        self.unet = UNet(config, resolution=resolution, channels=channels, classes=self.classes)
        self.logvar_fourier = Fourier(config.logvar_channels)
        self.logvar_linear = Weight(config.logvar_channels, 1)

    def forward(self, x: Tensor, sigma: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Denoise x; the arguments are those of `ImageDenoiser.preconditioned`. Returns: (B, C, R, R), float32."""
        return self.preconditioned(self.unet, x, sigma, class_labels)

    @torch.no_grad()
    def constrain(self) -> None:
        """Normalise every row of weights to mean square 1. Otherwise weights would grow, and learning would slow down."""
        for module in self.modules():
            if isinstance(module, Weight):
                module.weight.copy_(normalise(module.weight))

    def log_variance(self, sigma: Tensor) -> Tensor:
        """u(sigma), the learned logarithm of the loss at a noise level, in the shape of sigma: (B,) or 0-dim."""
        level: Tensor = self.logvar_linear(self.logvar_fourier(sigma.float().view(-1).log() / 4))
        return level.view(sigma.shape)

    def training_loss_at(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """w(sigma) / exp(u(sigma)) |D - x|^2 + n u(sigma), (B,), for x of n numbers. Source: Karras et al. 2024, Eq. 21.

        Up to constants this is minus twice the log density of an error that is normal with variance exp(u) / w. It is smallest
        where exp(u) is the mean of w (D - x)^2 at that level, so all noise levels come to contribute alike to the gradients.
        """
        error = -self.log_likelihood(x, labels, draw)
        log_variance = self.log_variance(cast("NoisyLevel | NoisyLevelAndMask", draw).sigma)
        return error * (-log_variance).exp() + log_variance * x[0].numel()
