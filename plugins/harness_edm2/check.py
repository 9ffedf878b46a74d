"""Whether the network fits the data, as far as the settings tell. Importing this module costs no torch."""

from __future__ import annotations

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.optional_packages import require_diffusers
from harness.toolkit.square_images import channels_and_side, check_unet
from harness_edm2 import EDM2Config, VAEConfig


def fits(config: EDM2Config, usage: ModelUsage) -> None:
    """Check the settings of a base that the board pretrains.

    Raises: UserError for data that do not fit, for attention at a size that the settings name and no level has, and for an
    autoencoder without weights.
    """
    spec = usage.data
    network_spec = spec if config.vae is None else latents_of(config.vae, spec)
    check_unet(config, network_spec, levels=len(config.channel_mult), setting="channel_mult", model="edm2-unet")
    if config.vae is not None and config.vae.weights is None:
        raise UserError("model edm2-unet: vae.weights is missing: a base that is pretrained needs a trained autoencoder")


def latents_of(vae: VAEConfig, spec: DataSpec) -> DataSpec:
    """Return the shape and classes of the latents of such images.

    Raises: UserError when diffusers is not installed, and for images that the VAE cannot take.
    """
    require_diffusers("model edm2-unet: vae")
    unit = vae.downscale
    if len(spec.shape) != 3 or spec.shape[1] % unit or spec.shape[2] % unit:
        raise UserError(
            f"model edm2-unet: the VAE takes images, (channels, height, width), whose sizes are multiples of {unit}, not data of "
            f"shape {spec.shape}"
        )
    return DataSpec((len(vae.means), spec.shape[1] // unit, spec.shape[2] // unit), spec.classes, spec.preview)


def image_size(config: EDM2Config, spec: DataSpec) -> tuple[int, int]:
    """Return channels and pixels a side of the images. Raises: UserError for data that the network cannot take."""
    return channels_and_side(spec, levels=len(config.channel_mult), setting="channel_mult", model="edm2-unet")
