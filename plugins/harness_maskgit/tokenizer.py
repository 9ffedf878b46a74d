"""The VQGAN of MaskGIT: images in [-1, 1] to a grid of tokens and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.capabilities import TokenizerTerms
from harness.toolkit.autoencoder import Architecture, Decoder, Encoder, LayerNames
from harness.toolkit.codebook import check_codes, nearest_code
from harness_maskgit import VQGANConfig

LLAMAGEN = LayerNames(down="conv_blocks", up="conv_blocks", block="res", middle=("0", "1", "2"), full_resolution_first=False)


def shape_of(config: VQGANConfig, channels: int) -> Architecture:
    """Return the sizes of the autoencoder around the codebook, with the layout's names and places of attention."""
    levels = range(len(config.ch_mult))
    attention, names = {levels[-1]}, LLAMAGEN
    if config.layout == "taming":  # levels have attention by the nominal resolution, whatever size the images have
        attention = {level for level in levels if config.resolution // 2**level in config.attn_resolutions}
        names = LayerNames()
    return Architecture(channels, config.ch, config.ch_mult, config.num_res_blocks, config.z_channels, attention, names)


class Codebook(nn.Module):
    """The codes. Where the settings say so, codes and latents are used at unit length."""

    def __init__(self, config: VQGANConfig) -> None:
        super().__init__()
        self.has_unit_codes = config.has_unit_codes
        self.embedding = nn.Embedding(config.codebook_size, config.embed_dim)
        if config.layout == "llamagen":
            # The codes that training used last: nothing depends on it, but published files have it, always at this size.
            self.register_buffer("codebook_used", torch.zeros(65536))

    def project(self, z: Tensor) -> Tensor:
        """Return latents z (…, e) as they are compared with codes: at unit length where codes are."""
        return functional.normalize(z, dim=-1) if self.has_unit_codes else z

    def _codes(self) -> Tensor:
        codes = self.embedding.weight
        return functional.normalize(codes, dim=-1) if self.has_unit_codes else codes

    def nearest(self, z: Tensor) -> Tensor:
        """Return the indices (…,) of the codes nearest to z (…, e)."""
        return nearest_code(self.project(z), self._codes())

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the codes (…, e) of tokens (…,)."""
        return functional.embedding(tokens, self._codes())


class VQGAN(nn.Module):
    """A convolutional autoencoder around one codebook.

    Args: config: sizes and layout. channels: of the images.
    Tokens are (B, h, w) int64.
    """

    def __init__(self, config: VQGANConfig, *, channels: int = 3) -> None:
        super().__init__()
        self.config = config
        shape = shape_of(config, channels)
        self.encoder, self.decoder = Encoder(shape), Decoder(shape)
        self.quantize = Codebook(config)
        self.quant_conv = nn.Conv2d(config.z_channels, config.embed_dim, 1)
        self.post_quant_conv = nn.Conv2d(config.embed_dim, config.z_channels, 1)

    def latent(self, x: Tensor) -> Tensor:
        """Turn images (B, channels, H, W) into latents (B, e, h, w), before quantisation."""
        return self.quant_conv(self.encoder(x))

    def encode(self, x: Tensor) -> Tensor:
        """Turn images (B, channels, H, W) into tokens (B, h, w)."""
        return self.quantize.nearest(self.latent(x).permute(0, 2, 3, 1))

    def terms(self, x: Tensor) -> TokenizerTerms:
        """Return what a training of the tokenizer needs, with tokens (B, h * w). Source: van den Oord et al. 2017, Eq. 3."""
        z = self.quantize.project(self.latent(x).permute(0, 2, 3, 1))
        tokens = self.quantize.nearest(z.detach())
        codes = self.quantize(tokens)
        # The value of the codes with the gradient of the latents: it passes the quantiser straight through.
        passed = (z + (codes - z).detach()).permute(0, 3, 1, 2)
        return TokenizerTerms(
            reconstructed=self.decoder(self.post_quant_conv(passed)),
            commitment=(z - codes.detach()).square().flatten(1).mean(1),
            codebook=(z.detach() - codes).square().flatten(1).mean(1),
            tokens=tokens.flatten(1),
            latents=z.detach().flatten(1, 2),
        )

    def embed(self, tokens: Tensor) -> Tensor:
        """Turn tokens (B, h, w) into codes (B, e, h, w). Raises: ValueError for tokens outside the codebook."""
        check_codes(tokens, self.config.codebook_size)
        return self.quantize(tokens).permute(0, 3, 1, 2)

    def decode(self, tokens: Tensor) -> Tensor:
        """Turn tokens (B, h, w) into images (B, channels, H, W), not clamped. Raises: ValueError as `embed` does."""
        return self.decoder(self.post_quant_conv(self.embed(tokens)))
