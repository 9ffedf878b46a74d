"""Whether the U-Net can take the data. Costs no torch."""

from __future__ import annotations

from harness.images.square import channels_and_side
from harness.interfaces import DataSpec
from harness_edm2 import EDM2Config


def image_size(config: EDM2Config, spec: DataSpec) -> tuple[int, int]:
    """Channels and resolution. Raises: UserError when the network cannot take such data."""
    return channels_and_side(spec, levels=len(config.channel_mult), setting="channel_mult", model="edm2-unet")


def fits(config: EDM2Config, spec: DataSpec) -> None:
    """Raises: UserError as `image_size`."""
    image_size(config, spec)
