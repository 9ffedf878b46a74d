"""The EDM denoiser for images: preconditioning around a U-Net, with the names of the published files."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from harness.interfaces import DataSpec
from harness.toolkit.denoising import DenoisingObjective, GaussianChain, column, scalings
from harness_edm import UNetConfig
from harness_edm.adm_unet import ADMUNet
from harness_edm.check import image_size
from harness_edm.song_unet import SongUNet


class EDMUNet(GaussianChain, DenoisingObjective, nn.Module):
    """A denoiser for images, conditional where the data has classes.

    Provides Trains, TrainsInParts, Likelihood, Denoises and, without labels, Transitions. Compute is float32; the state
    dict has the published names, the U-Net's under `model.`. Source: Karras et al. 2022, Table 1.
    """

    config: UNetConfig

    def __init__(self, config: UNetConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.classes = spec.classes if config.is_conditional else 0
        self.takes_labels = self.classes > 0
        channels, resolution = image_size(config, spec)
        network = ADMUNet if config.architecture == "adm" else SongUNet
        self.model = network(config, resolution=resolution, channels=channels, classes=self.classes)

    def forward(
        self, x: Tensor, sigma: Tensor, class_labels: Tensor | None = None, augment_labels: Tensor | None = None
    ) -> Tensor:
        """The denoised x, (B, C, R, R), float32.

        Args:
            x: (B, C, R, R). sigma: (B,), or 0-dim for one level, above 0, in units of the data.
            class_labels: (B, classes) one-hot or a mixture; without them a conditional network sees a row of zeros.
            augment_labels: (B, augment_dim), how the images were changed; without them, not at all.
        """
        x, sigma = x.float(), sigma.float().view(-1)
        # One level stays of length 1, so that its embedding is computed once.
        c_skip, c_out, c_in, c_noise = scalings(column(sigma, x), self.config.sigma_data)
        if self.classes:
            zeros = x.new_zeros(1, self.classes)
            class_labels = zeros if class_labels is None else class_labels.float().view(-1, self.classes)
        raw: Tensor = self.model(c_in * x, c_noise.flatten(), class_labels, augment_labels)
        return c_skip * x + c_out * raw

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """E[clean | noisy], (B, C, R, R), float32. sigma: (B,) or 0-dim, above 0; labels: (B,) int64, or None."""
        rows = functional.one_hot(labels, self.classes) if self.classes and labels is not None else None
        denoised: Tensor = self(x, sigma, rows)
        return denoised


def build(config: UNetConfig, spec: DataSpec) -> EDMUNet:
    """A denoiser with random weights for images of this shape. Raises: UserError for data that is no fitting image."""
    return EDMUNet(config, spec)
