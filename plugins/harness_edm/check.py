"""Whether the U-Net fits the data, as far as the settings tell. Importing this module costs no torch."""

from __future__ import annotations

from collections.abc import Iterator

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.square_images import channels_and_side, check_unet
from harness_edm import UNetConfig

GROUPS = 32
"""Groups of a normalisation at most, each of at least four channels (`harness_edm.layers.norm`)."""


def image_size(config: UNetConfig, spec: DataSpec) -> tuple[int, int]:
    """Return channels and pixels a side of what the network sees of the images.

    Raises: UserError for data that the network cannot take.
    """
    return channels_and_side(spec, levels=len(config.channel_mult), setting="channel_mult", model="edm-unet", patch=config.patch)


def fits(config: UNetConfig, usage: ModelUsage) -> None:
    """Check the settings against the data.

    Raises: UserError for data that the network cannot take, for attention at a size that the settings name and no level has, and
        for widths that group normalisation cannot divide; for training on augmented images without their labels.
    """
    if usage.augmentation not in (0, config.augment_dim):
        raise UserError(
            f"model edm-unet: augment gives {usage.augmentation} labels for each image, and augment_dim is {config.augment_dim}: "
            f"set it to {usage.augmentation}, or the network would draw augmented images"
        )
    levels = len(config.channel_mult)
    check_unet(config, usage.data, levels=levels, setting="channel_mult", model="edm-unet", patch=config.patch)
    if misfit := next((width for width in normalised_widths(config) if width % min(GROUPS, width // 4)), None):
        made = f"model_channels {config.model_channels} and channel_mult {list(config.channel_mult)}"
        raise UserError(
            f"model edm-unet: {made} make a layer of {misfit} channels, and group normalisation needs multiples of {GROUPS} "
            f"from {4 * GROUPS} channels on, skips included; a model_channels that is a multiple of {GROUPS} always fits"
        )


def normalised_widths(config: UNetConfig) -> Iterator[int]:
    """Yield the channels of each layer that is normalised, in the order of the forward pass (`harness.toolkit.unet_levels`)."""
    widths = [config.model_channels * mult for mult in config.channel_mult]
    current = widths[0] if config.architecture == "adm" else config.model_channels
    skips = [current]
    for level, width in enumerate(widths):
        for entry in range(config.num_blocks + (level > 0)):  # a coarser level begins with the block that halves the image
            yield current
            current = current if level and entry == 0 else width
            skips.append(current)
    for width in reversed(widths):
        yield current  # the block that doubles the image, or the two in the middle
        for _ in range(config.num_blocks + 1):
            yield current + skips.pop()
            current = width
    yield current
