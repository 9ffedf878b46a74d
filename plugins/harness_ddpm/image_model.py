"""The DDPM for images, sampled by its whole chain or in few steps."""

from __future__ import annotations

from torch import Tensor

from harness.interfaces import DataSpec
from harness.toolkit.chains.chain import ShortChain
from harness.toolkit.patches import in_patches
from harness_ddpm import UNetConfig
from harness_ddpm.check import image_size
from harness_ddpm.unet import NoiseUNet


class ImageDDPM(ShortChain, NoiseUNet):
    """A diffusion chain of T steps around the U-Net, and a sampling chain of S steps.

    Provides Trains, TrainsInParts, Likelihood, Transitions and NoiseChain. The model is unconditional: labels are ignored.
    Images are in [-1, 1].
    """

    config: UNetConfig

    def __init__(self, config: UNetConfig, spec: DataSpec) -> None:
        channels, resolution = image_size(config, spec)
        NoiseUNet.__init__(self, config, resolution=resolution, channels=channels)
        self.config, self.dropout = config, config.dropout
        self.set_chain(config, spec)

    def forward(self, x: Tensor, t: int | float | Tensor) -> Tensor:
        """Predict the noise in images x (B, C, R, R), (B, C, R, R). t: one step for all or (B,), real-valued, 0 = least noisy."""
        return in_patches(lambda patches: NoiseUNet.forward(self, patches, t), self.config.patch, x)


def build(config: UNetConfig, spec: DataSpec) -> ImageDDPM:
    """Build a DDPM with random weights for images of this shape. Raises: UserError for data that are no fitting images."""
    return ImageDDPM(config, spec)
