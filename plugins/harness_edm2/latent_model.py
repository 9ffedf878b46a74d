"""EDM2 in the latents of a VAE: trained on latents of images, sampled to images."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.weights import cache, network_files, state_dicts
from harness_edm2 import EDM2Config, VAEConfig
from harness_edm2.denoiser import EDM2
from harness_edm2.latents import draw_latents, to_vae
from harness_edm2.published import VAELayout


class LatentEDM2(EDM2):
    """An EDM2 denoiser of latents, with an autoencoder between the latents and images in [-1, 1].

    Provides WorksInLatents, and for the latents what EDM2 provides. The state dict has the published names of the network, and
    behind `vae.` those of diffusers' `AutoencoderKL`, which takes no gradient.

    Args:
        config: settings of the network.
        vae: settings of the autoencoder.
        spec: the images.
        latents: what the network sees of the images.
    Raises: UserError when the settings name weights of the autoencoder that are absent, have another hash, or do not fit.
    """

    def __init__(self, config: EDM2Config, vae: VAEConfig, spec: DataSpec, latents: DataSpec) -> None:
        super().__init__(config, latents)
        self.settings = vae
        self.vae = autoencoder(vae, spec.shape[0]).requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Set the network's mode. The autoencoder stays in eval mode, since it is not trained."""
        super().train(mode)
        self.vae.eval()
        return self

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of the latents of one image, (C, h, w)."""
        return self.spec.shape

    def autoencoder_identity(self) -> dict[str, object]:
        """The autoencoder's sizes, and the hash of its weights.

        The scale of the latents is no part of the identity: the network applies it after what is stored.
        """
        sizes = self.settings.model_dump(mode="json", include={"block_out_channels", "layers_per_block", "norm_num_groups"})
        return {**sizes, "sha256": state_dicts.sha256(self.vae.state_dict())}

    @torch.no_grad()
    def encode_images(self, x: Tensor) -> Tensor:
        """Return the VAE's posterior of each image: means, then standard deviations, (B, 2 C, h, w).

        x: images, (B, channels, H, W), in [-1, 1].
        """
        posterior = self.vae.encode((x + 1) / 2).latent_dist  # EDM2's datasets were made from pixels in [0, 1]
        return torch.cat([posterior.mean, posterior.std], 1)

    @torch.no_grad()
    def draw_latents(self, kept: Tensor, generator: torch.Generator) -> Tensor:
        """Draw latents from stored posteriors, (B, C, h, w), scaled to mean 0 and standard deviation 0.5 over the data."""
        noise = torch.randn(len(kept), *self.latent_shape, generator=generator).to(kept.device)
        return draw_latents(kept, noise, means=self.settings.means, stds=self.settings.stds)

    @torch.no_grad()
    def decode_latents(self, latents: Tensor) -> Tensor:
        """Return the images of latents, (B, channels, H, W), clamped to [-1, 1]."""
        decoded = self.vae.decode(to_vae(latents, means=self.settings.means, stds=self.settings.stds)).sample
        images: Tensor = decoded.clamp(0, 1) * 2 - 1
        return images


def autoencoder(config: VAEConfig, channels: int) -> AutoencoderKL:
    """Build an autoencoder of images with so many channels; its weights are those that the settings name, or random.

    Raises: UserError when the file or folder of the weights is absent, has another hash, or does not fit.
    """
    levels = len(config.block_out_channels)
    vae = AutoencoderKL(
        in_channels=channels, out_channels=channels, latent_channels=len(config.means),
        block_out_channels=config.block_out_channels, layers_per_block=config.layers_per_block,
        norm_num_groups=config.norm_num_groups,
        down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
    )  # fmt: skip
    if config.weights is not None:
        _load_weights(vae, Path(config.weights), str(config.sha256))
    return vae


def _load_weights(vae: AutoencoderKL, path: Path, sha256: str) -> None:
    where = f"model edm2-unet: vae.weights {path}"
    if not path.exists():
        raise UserError(f"{where}: no diffusers folder and no file is there; sha256: {sha256}")
    if (actual := cache.sha256(path)) != sha256:
        raise UserError(f"{where}: has sha256 {actual}, and the settings say {sha256}")
    vae.load_state_dict(network_files.module_tensors(path, VAELayout(), vae, where=f"{where}: not of this VAE"))
