"""Whether the network fits the data, as far as settings tell. Costs no torch."""

from __future__ import annotations

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.optional_packages import require_diffusers
from harness.toolkit.square_images import channels_and_side, check_attention_resolutions
from harness_edm2 import EDM2Config, VAEConfig


def fits(config: EDM2Config, usage: ModelUsage) -> None:
    """For a base that is pretrained.

    Raises: UserError for data that does not fit, attention at a size that was written and that no level has, and an
    autoencoder without weights.
    """
    spec = usage.data
    _, side = image_size(config, spec if config.vae is None else latents_of(config.vae, spec))
    if "attn_resolutions" in config.model_fields_set:
        check_attention_resolutions(
            config.attn_resolutions, side, levels=len(config.channel_mult), setting="channel_mult", model="edm2-unet"
        )
    if config.vae is not None and config.vae.weights is None:
        raise UserError("model edm2-unet: vae.weights is missing: a base that is pretrained needs a trained autoencoder")


def latents_of(vae: VAEConfig, spec: DataSpec) -> DataSpec:
    """What the network sees of such images. Raises: UserError without diffusers, and for images that the VAE cannot take."""
    require_diffusers("model edm2-unet: vae")
    unit = vae.downscale
    if len(spec.shape) != 3 or spec.shape[1] % unit or spec.shape[2] % unit:
        raise UserError(
            f"model edm2-unet: its VAE takes images, (channels, height, width), of sizes divisible by {unit}, not data of "
            f"shape {spec.shape}"
        )
    return DataSpec((len(vae.means), spec.shape[1] // unit, spec.shape[2] // unit), spec.classes, spec.preview)


def image_size(config: EDM2Config, spec: DataSpec) -> tuple[int, int]:
    """Channels and resolution. Raises: UserError when the network cannot take such data."""
    return channels_and_side(spec, levels=len(config.channel_mult), setting="channel_mult", model="edm2-unet")
