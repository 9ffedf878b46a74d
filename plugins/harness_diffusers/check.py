"""Whether the network fits the data. Costs no torch, and works without diffusers."""

from __future__ import annotations

from harness.components import ModelUsage
from harness.errors import UserError
from harness_diffusers import UNet2DConfig


def fits(config: UNet2DConfig, usage: ModelUsage) -> None:
    """Raises: UserError for data that is no image of a size that the levels can halve."""
    spec = usage.data
    levels = len(config.block_out_channels)
    if len(spec.shape) != 3 or spec.shape[1] != spec.shape[2]:
        raise UserError(f"model diffusers-unet: needs square images, (channels, size, size), not data of shape {spec.shape}")
    if spec.shape[1] % 2 ** (levels - 1):
        raise UserError(
            f"model diffusers-unet: {levels} levels (block_out_channels) need a size divisible by {2 ** (levels - 1)}, "
            f"and the images are {spec.shape[1]}×{spec.shape[2]}"
        )
