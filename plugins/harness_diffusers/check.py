"""Whether the network fits the data, as far as the settings tell. Costs no torch, and works without diffusers."""

from __future__ import annotations

from harness.components import ModelUsage
from harness.toolkit.square_images import channels_and_side
from harness_diffusers import UNet2DConfig


def fits(config: UNet2DConfig, usage: ModelUsage) -> None:
    """Check the settings against the data. Raises: UserError for data that are no square images which the levels can halve."""
    channels_and_side(usage.data, levels=len(config.block_out_channels), setting="block_out_channels", model="diffusers-unet")
