"""The VQVAE of VAR: images in [-1, 1] to a pyramid of tokens and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from harness.capabilities import TokenizerTerms
from harness.toolkit.autoencoder import Architecture, Decoder, Encoder, LayerNames
from harness.toolkit.codebook import check_codes
from harness_var import VQVAEConfig
from harness_var.quantizer import MultiScaleQuantizer


class VQVAE(nn.Module):
    """A convolutional autoencoder around a multi-scale residual quantiser.

    Args:
        config: sizes. patch_nums: side of each scale, in tokens. channels: of the images.
    Tokens are (B, L) int64: all scales one after the other, small to large, row-major inside a scale.
    Source: Tian et al. 2024.
    """

    def __init__(self, config: VQVAEConfig, patch_nums: Sequence[int], *, channels: int = 3) -> None:
        super().__init__()
        self.config, self.patch_nums = config, tuple(patch_nums)
        kernel, latent = config.quant_conv_ks, config.z_channels
        lowest = len(config.ch_mult) - 1
        shape = Architecture(
            channels, config.ch, config.ch_mult, config.num_res_blocks, latent, attention=(lowest,), names=LayerNames(packed=True)
        )
        self.encoder, self.decoder = Encoder(shape), Decoder(shape)
        self.quantize = MultiScaleQuantizer(config, patch_nums)
        self.quant_conv = nn.Conv2d(latent, latent, kernel, padding=kernel // 2)
        self.post_quant_conv = nn.Conv2d(latent, latent, kernel, padding=kernel // 2)

    def latent(self, x: Tensor) -> Tensor:
        """Turn images (B, channels, H, W) into latents (B, Cv, H / downsample, W / downsample), before quantisation."""
        return self.quant_conv(self.encoder(x))

    def encode(self, x: Tensor, patch_nums: Sequence[int] | None = None) -> Tensor:
        """Turn images (B, channels, H, W) into tokens (B, L). patch_nums: other scales than the tokenizer's own.

        Raises: ValueError for an image size that does not give the last scale.
        """
        sides = tuple(patch_nums or self.patch_nums)
        self._check_size(x, sides[-1])
        return torch.cat(self.quantize.encode(self.latent(x), sides), dim=1)

    def terms(self, x: Tensor) -> TokenizerTerms:
        """Return what a training of the tokenizer needs.

        The latent f is compared with the sum F_k of the first k scales for every k, so that each prefix of the pyramid is a good
        latent: commitment is the mean over k of |f - sg(F_k)|², and codebook that of |sg(f) - F_k|², sg stopping the gradient.
        Raises: ValueError as `encode` does. Source: Tian et al. 2024, Eq. 5, with the terms of VQ-VAE at each scale.
        """
        self._check_size(x, self.patch_nums[-1])
        f = self.latent(x)
        scales = list(self.quantize.scan(f.detach(), self.patch_nums))
        total, commitment, codebook = torch.zeros_like(f), [], []
        for scale in scales:
            total = total + scale.detail
            commitment.append((f - total.detach()).square().flatten(1).mean(1))
            codebook.append((f.detach() - total).square().flatten(1).mean(1))
        return TokenizerTerms(
            reconstructed=self.decoder(self.post_quant_conv(f + (total - f).detach())),
            commitment=torch.stack(commitment).mean(0),
            codebook=torch.stack(codebook).mean(0),
            tokens=torch.cat([scale.tokens for scale in scales], dim=1),
            latents=torch.cat([scale.latents for scale in scales], dim=1).detach(),
        )

    def _check_size(self, x: Tensor, side: int) -> None:
        unit = self.config.downsample
        if x.shape[-2:] != (side * unit, side * unit):
            raise ValueError(f"images are {x.shape[-2]}×{x.shape[-1]}; {side} tokens a side of {unit} pixels need {side * unit}")

    def scales(self, tokens: Tensor) -> list[Tensor]:
        """Cut tokens (B, L) into scales, (B, p * p) each. Raises: ValueError for another L, or tokens outside the codebook."""
        lengths = [side**2 for side in self.patch_nums]
        if tokens.dim() != 2 or tokens.shape[1] != sum(lengths):
            raise ValueError(f"tokens are {tuple(tokens.shape)}; scales {self.patch_nums} need (B, {sum(lengths)})")
        check_codes(tokens, self.config.vocab_size)
        return list(tokens.split(lengths, dim=1))

    def images(self, latents: Tensor) -> Tensor:
        """Turn quantised latents (B, Cv, h, w) into images, clamped to [-1, 1]."""
        return self.decoder(self.post_quant_conv(latents)).clamp(-1, 1)

    def decode(self, tokens: Tensor) -> Tensor:
        """Turn tokens (B, L) into images (B, channels, H, W) in [-1, 1]. Raises: ValueError as `scales` does."""
        *_, total = self.quantize.partial_sums(self.scales(tokens))
        return self.images(total)

    def teacher_input(self, tokens: Tensor) -> Tensor:
        """Return the transformer's input for tokens (B, L): (B, L - p_0², Cv). Raises: ValueError as `scales` does."""
        return self.quantize.teacher_input(self.scales(tokens))
