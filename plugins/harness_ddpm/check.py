"""Whether the U-Net fits the data, as far as the settings tell. Importing this module costs no torch."""

from __future__ import annotations

from harness.components import ModelUsage
from harness.interfaces import DataSpec
from harness.toolkit.square_images import channels_and_side, check_unet
from harness_ddpm import UNetConfig


def image_size(config: UNetConfig, spec: DataSpec) -> tuple[int, int]:
    """Return channels and pixels a side of what the network sees of the images.

    Raises: UserError for data that the network cannot take.
    """
    return channels_and_side(spec, levels=len(config.ch_mult), setting="ch_mult", model="ddpm-unet", patch=config.patch)


def fits(config: UNetConfig, usage: ModelUsage) -> None:
    """Check the settings against the data.

    Raises: UserError for data that the network cannot take, and for attention at a size that the settings name and no level has.
    """
    check_unet(config, usage.data, levels=len(config.ch_mult), setting="ch_mult", model="ddpm-unet", patch=config.patch)
