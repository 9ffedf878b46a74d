"""The VQGAN: images in [-1, 1] to a grid of tokens and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.capabilities import TokenizerTerms
from harness.toolkit.autoencoder import Architecture, Decoder, Encoder, LayerNames
from harness_maskgit import VQGANConfig

LLAMAGEN = LayerNames(down="conv_blocks", up="conv_blocks", block="res", middle=("0", "1", "2"), full_resolution_first=False)


def shape_of(config: VQGANConfig, channels: int) -> Architecture:
    """Sizes of the autoencoder around the codebook, with the names and the places of attention of the layout."""
    levels = range(len(config.ch_mult))
    attention, names = {levels[-1]}, LLAMAGEN
    if config.layout == "taming":  # the nominal resolution decides, whatever the images' is
        attention = {level for level in levels if config.resolution // 2**level in config.attn_resolutions}
        names = LayerNames()
    return Architecture(channels, config.ch, config.ch_mult, config.num_res_blocks, config.z_channels, attention, names)


class Codebook(nn.Module):
    """Codes, of unit length in use where the settings say so."""

    def __init__(self, config: VQGANConfig) -> None:
        super().__init__()
        self.has_unit_codes = config.has_unit_codes
        self.embedding = nn.Embedding(config.codebook_size, config.embed_dim)
        if config.layout == "llamagen":
            # Codes last used in training; nothing depends on it, but published files have it, always at this size.
            self.register_buffer("codebook_used", torch.zeros(65536))

    def project(self, z: Tensor) -> Tensor:
        """Latents z (…, e) as they are compared with codes: of unit length where codes are."""
        return functional.normalize(z, dim=-1) if self.has_unit_codes else z

    def _codes(self) -> Tensor:
        codes = self.embedding.weight
        return functional.normalize(codes, dim=-1) if self.has_unit_codes else codes

    def nearest(self, z: Tensor) -> Tensor:
        """Indices (…,) of the codes nearest to z (…, e)."""
        codes = self._codes()
        z = self.project(z)
        # The square of z is the same for all codes.
        return (codes.square().sum(-1) - 2 * z @ codes.T).argmin(-1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(…,) -> (…, e)."""
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
        """Images (B, channels, H, W) -> latents (B, e, h, w), before quantisation."""
        return self.quant_conv(self.encoder(x))

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, channels, H, W) -> tokens (B, h, w)."""
        return self.quantize.nearest(self.latent(x).permute(0, 2, 3, 1))

    def terms(self, x: Tensor) -> TokenizerTerms:
        """For training, (B, h * w) tokens."""
        z = self.quantize.project(self.latent(x).permute(0, 2, 3, 1))
        tokens = self.quantize.nearest(z.detach())
        codes = self.quantize(tokens)
        passed = (z + (codes - z).detach()).permute(0, 3, 1, 2)
        return TokenizerTerms(
            reconstructed=self.decoder(self.post_quant_conv(passed)),
            commitment=(z - codes.detach()).square().flatten(1).mean(1),
            codebook=(z.detach() - codes).square().flatten(1).mean(1),
            tokens=tokens.flatten(1),
            latents=z.detach().flatten(1, 2),
        )

    def embed(self, tokens: Tensor) -> Tensor:
        """Tokens (B, h, w) -> codes (B, e, h, w). Raises: ValueError for tokens outside the codebook."""
        low, high, size = int(tokens.min()), int(tokens.max()), self.config.codebook_size
        if not 0 <= low <= high < size:
            raise ValueError(f"tokens run from {low} to {high}, but the codebook has codes 0 to {size - 1}")
        return self.quantize(tokens).permute(0, 3, 1, 2)

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens (B, h, w) -> images (B, channels, H, W), not clamped. Raises: ValueError as `embed`."""
        return self.decoder(self.post_quant_conv(self.embed(tokens)))
