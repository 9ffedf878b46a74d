"""The EDM2 denoiser: preconditioning around the U-Net, and the learned log-variance of its loss."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.interfaces import DataSpec
from harness.toolkit.denoising import DenoisingObjective, GaussianChain, NoisyLevel, NoisyLevelAndMask, column, scalings
from harness_edm2 import EDM2Config
from harness_edm2.check import image_size
from harness_edm2.layers import Fourier, Weight, normalise
from harness_edm2.unet import UNet


class EDM2(GaussianChain, DenoisingObjective, nn.Module):
    """A denoiser for images or latents, conditional where the data has classes.

    Provides Trains, TrainsInParts, Likelihood, Denoises and, without labels, Transitions. In train mode every evaluation
    renews the stored weights' length (forced weight normalisation); in eval mode, in which the harness trains, `constrain`
    does, after each update. The state dict has the published names.
    Source: Karras et al. 2024.
    """

    config: EDM2Config

    def __init__(self, config: EDM2Config, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.classes = spec.classes if config.is_conditional else 0
        self.takes_labels = self.classes > 0
        channels, resolution = image_size(config, spec)
        self.unet = UNet(config, resolution=resolution, channels=channels, classes=self.classes)
        self.logvar_fourier = Fourier(config.logvar_channels)
        self.logvar_linear = Weight(config.logvar_channels, 1)

    def forward(self, x: Tensor, sigma: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """The denoised x, (B, C, R, R), float32.

        Args:
            x: (B, C, R, R). sigma: (B,), or 0-dim for one level, above 0, in units of the data.
            class_labels: (B, classes) one-hot or a mixture; without them a conditional network sees a row of zeros.
        """
        x, sigma = x.float(), sigma.float().view(-1)
        c_skip, c_out, c_in, c_noise = scalings(column(sigma, x), self.config.sigma_data)
        if self.classes:
            zeros = x.new_zeros(1, self.classes)
            class_labels = zeros if class_labels is None else class_labels.float().view(-1, self.classes)
        raw: Tensor = self.unet(c_in * x, c_noise.flatten(), class_labels)
        return c_skip * x + c_out * raw

    @torch.no_grad()
    def constrain(self) -> None:
        """Bring every weight to unit length (forced weight normalisation), without which its growth would slow learning."""
        for module in self.modules():
            if isinstance(module, Weight):
                module.weight.copy_(normalise(module.weight))

    def log_variance(self, sigma: Tensor) -> Tensor:
        """u(sigma), the learned logarithm of the loss at a noise level, (B,). sigma: (B,) or 0-dim."""
        level: Tensor = self.logvar_linear(self.logvar_fourier(sigma.float().view(-1).log() / 4))
        return level.view(sigma.shape)

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """E[clean | noisy], (B, C, R, R), float32. sigma: (B,) or 0-dim, above 0; labels: (B,) int64, or None."""
        rows = functional.one_hot(labels, self.classes) if self.classes and labels is not None else None
        denoised: Tensor = self(x, sigma, rows)
        return denoised

    def training_loss_at(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """weight / exp(u) * (D - x)^2 + u, (B,), summed over dimensions: up to constants, minus the log density of an
        error whose size at each level is learned. Source: Karras et al. 2024, Eq. 21."""
        error = -self.log_likelihood(x, labels, draw)
        log_variance = self.log_variance(cast("NoisyLevel | NoisyLevelAndMask", draw).sigma)
        return error * (-log_variance).exp() + log_variance * x[0].numel()
