"""Whether the U-Net can take the data. Costs no torch."""

from __future__ import annotations

from harness.components import ModelUsage
from harness.interfaces import DataSpec
from harness.toolkit.square_images import channels_and_side, check_attention_resolutions
from harness_edm import UNetConfig


def image_size(config: UNetConfig, spec: DataSpec) -> tuple[int, int]:
    """Channels and resolution. Raises: UserError when the network cannot take such data."""
    return channels_and_side(spec, levels=len(config.channel_mult), setting="channel_mult", model="edm-unet")


def fits(config: UNetConfig, usage: ModelUsage) -> None:
    """Raises: UserError as `image_size`, and for attention at a size that was written and that no level has."""
    spec = usage.data
    _, side = image_size(config, spec)
    if "attn_resolutions" in config.model_fields_set:
        check_attention_resolutions(
            config.attn_resolutions, side, levels=len(config.channel_mult), setting="channel_mult", model="edm-unet"
        )
