"""Whether the U-Net can take the data. Costs no torch."""

from __future__ import annotations

from harness.components import ModelUsage
from harness.interfaces import DataSpec
from harness.toolkit.square_images import channels_and_side, check_attention_resolutions
from harness_ddpm import UNetConfig


def image_size(config: UNetConfig, spec: DataSpec) -> tuple[int, int]:
    """Channels and resolution. Raises: UserError when the network cannot take such data."""
    return channels_and_side(spec, levels=len(config.ch_mult), setting="ch_mult", model="ddpm-unet")


def fits(config: UNetConfig, usage: ModelUsage) -> None:
    """Raises: UserError as `image_size`, and for attention at a size that was written and that no level has."""
    spec = usage.data
    _, side = image_size(config, spec)
    if "attn_resolutions" in config.model_fields_set:
        check_attention_resolutions(
            config.attn_resolutions, side, levels=len(config.ch_mult), setting="ch_mult", model="ddpm-unet"
        )
