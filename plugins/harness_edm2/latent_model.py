"""EDM2 in the latents of a VAE: trained on latents of images, sampled to images."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.weights import cache, fit, state_dicts
from harness.weights.layouts import renamed_attention, unwrapped
from harness.weights.stored import read
from harness_edm2 import EDM2Config, VAEConfig
from harness_edm2.denoiser import EDM2
from harness_edm2.latents import draw_latents, to_vae


class LatentEDM2(EDM2):
    """An EDM2 denoiser of latents, with the autoencoder between them and images in [-1, 1].

    Works in latents (`harness.capabilities.WorksInLatents`) and provides in them what EDM2 does. The state dict has the
    published names of the network, and those of diffusers' `AutoencoderKL` behind `vae.`, which takes no gradient.

    Args: spec: of the images. latents: what the network sees of them.
    Raises: UserError when the settings name weights of the VAE that are absent, have another hash, or do not fit.
    """

    def __init__(self, config: EDM2Config, spec: DataSpec, latents: DataSpec) -> None:
        super().__init__(config, latents)
        assert config.vae is not None
        self.settings = config.vae
        self.vae = autoencoder(config.vae, spec.shape[0]).requires_grad_(False)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """(C, h, w)."""
        return self.spec.shape

    def autoencoder_identity(self) -> dict[str, object]:
        """The VAE's settings, but for the scale of the latents, which comes later, and the hash of its weights."""
        sizes = self.settings.model_dump(mode="json", include={"block_out_channels", "layers_per_block", "norm_num_groups"})
        return {**sizes, "sha256": state_dicts.sha256(self.vae.state_dict())}

    @torch.no_grad()
    def encode_images(self, x: Tensor) -> Tensor:
        """Means, then standard deviations, of the VAE's posterior, (B, 2 C, h, w). x: (B, channels, H, W) in [-1, 1]."""
        posterior = self.vae.encode((x + 1) / 2).latent_dist  # EDM2's datasets were made from pixels in [0, 1]
        return torch.cat([posterior.mean, posterior.std], 1)

    @torch.no_grad()
    def draw_latents(self, kept: Tensor, generator: torch.Generator) -> Tensor:
        """(B, C, h, w): the posterior with fresh noise, each channel at mean 0 and standard deviation 0.5 over the data."""
        noise = torch.randn(len(kept), *self.latent_shape, generator=generator).to(kept.device)
        return draw_latents(kept, noise, means=self.settings.means, stds=self.settings.stds)

    @torch.no_grad()
    def decode_latents(self, latents: Tensor) -> Tensor:
        """Images (B, channels, H, W), clamped to [-1, 1]."""
        decoded = self.vae.decode(to_vae(latents, means=self.settings.means, stds=self.settings.stds)).sample
        images: Tensor = decoded.clamp(0, 1) * 2 - 1
        return images


def autoencoder(config: VAEConfig, channels: int) -> AutoencoderKL:
    """The VAE, in eval mode; its weights are those of the settings, or random.

    Raises: UserError when their file or folder is absent, has another hash, or does not fit.
    """
    levels = len(config.block_out_channels)
    vae = AutoencoderKL(
        in_channels=channels, out_channels=channels, latent_channels=len(config.means),
        block_out_channels=config.block_out_channels, layers_per_block=config.layers_per_block,
        norm_num_groups=config.norm_num_groups,
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
    )  # fmt: skip
    if config.weights is None:
        return vae
    path = Path(config.weights).expanduser()
    where = f"model edm2-unet: vae.weights {path}"
    if not path.exists():
        raise UserError(f"{where}: no diffusers folder and no file is there; sha256: {config.sha256}")
    if (found := cache.sha256(path)) != config.sha256:
        raise UserError(f"{where}: has sha256 {found}, and the settings say {config.sha256}")
    tensors = renamed_attention(unwrapped(read(path)))
    fit.check(tensors, vae.state_dict(), where=f"{where}: not of this VAE")
    vae.load_state_dict(tensors)
    return vae
