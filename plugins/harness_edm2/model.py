"""Build the denoiser that the settings ask for: of the data as they are, or of latents of images."""

from __future__ import annotations

from harness.interfaces import DataSpec
from harness_edm2 import EDM2Config
from harness_edm2.check import latents_of
from harness_edm2.denoiser import EDM2


def build(config: EDM2Config, spec: DataSpec) -> EDM2:
    """Build a denoiser with random weights for images of this shape, or for their latents where the settings name a VAE.

    Raises: UserError for data that the network cannot take, and for a VAE whose weights are absent or do not fit.
    """
    if config.vae is None:
        return EDM2(config, spec)
    latents = latents_of(config.vae, spec)  # without diffusers the message comes from here
    from harness_edm2.latent_model import LatentEDM2

    return LatentEDM2(config, config.vae, spec, latents)
