"""The DDPM for images, sampled by its whole chain or in few steps."""

from __future__ import annotations

from harness.chains.chain import ShortChain
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness_ddpm import UNetConfig
from harness_ddpm.unet import NoiseUNet


class ImageDDPM(ShortChain, NoiseUNet):
    """A diffusion chain of T steps around the U-Net, and a sampling chain of S.

    Provides Trains, Likelihood, Transitions and NoiseChain. It is unconditional: labels are ignored. Images are in
    [-1, 1].
    """

    config: UNetConfig

    def __init__(self, config: UNetConfig, spec: DataSpec) -> None:
        channels, resolution = image_size(config, spec)
        NoiseUNet.__init__(self, config, resolution=resolution, channels=channels)
        self.config, self.dropout = config, config.dropout
        self.set_chain(config, spec)


def image_size(config: UNetConfig, spec: DataSpec) -> tuple[int, int]:
    """Channels and resolution. Raises: UserError when the network cannot take such data."""
    levels = len(config.ch_mult)
    if len(spec.shape) != 3 or spec.shape[1] != spec.shape[2]:
        raise UserError(f"model ddpm-unet: needs square images, (channels, size, size), not data of shape {spec.shape}")
    if spec.shape[1] % 2 ** (levels - 1):
        raise UserError(
            f"model ddpm-unet: {levels} levels (ch_mult) need a size divisible by {2 ** (levels - 1)}, "
            f"and the images are {spec.shape[1]}×{spec.shape[2]}"
        )
    return spec.shape[0], spec.shape[1]


def build(config: UNetConfig, spec: DataSpec) -> ImageDDPM:
    """A DDPM with random weights for images of this shape. Raises: UserError for data that is no fitting image."""
    return ImageDDPM(config, spec)
