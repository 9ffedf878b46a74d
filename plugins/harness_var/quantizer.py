"""Multi-scale residual quantisation: latents to a pyramid of tokens and back.

For scales k = 0 … K-1 of side p_k, starting with the residual R_0 = f and the sum F_0 = 0 at the size of the last scale:

    z = area average of R_k at p_k × p_k          tokens r_k = the codes nearest to z
    u = bicubic resize of the codes r_k           F_{k+1} = F_k + phi_k(u),   R_{k+1} = R_k - phi_k(u)

The last scale has the latent's size, and nothing is resized there. Source: Tian et al. 2024, Algorithms 1 and 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.card_kernels import enlarged
from harness.toolkit.codebook import nearest_code
from harness_var import VQVAEConfig


class Phi(nn.Conv2d):
    """phi(u) = (1 - share) u + share conv(u): it repairs what the resizing of a scale has blurred."""

    def __init__(self, channels: int, share: float) -> None:
        super().__init__(channels, channels, 3, padding=1)
        self.share = share

    def forward(self, u: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return (1 - self.share) * u + self.share * super().forward(u)


def ticks(n: int) -> np.ndarray:
    """Return the places of n convolutions on the way from the first scale (0) to the last (1): (n,), float64.

    They are the middles of n equal parts, except for n = 4, where the published code has them from 1/12 to 11/12.
    """
    edge = 1 / 12 if n == 4 else 1 / (2 * n)
    return np.linspace(edge, 1 - edge, n)


def nearest_tick(scale: int, scales: int, n: int) -> int:
    """Return the index of the convolution of a scale: the nearest of n, and the first of two that are equally near."""
    return int(np.abs(ticks(n) - scale / max(scales - 1, 1)).argmin())


class _SharedPhi(nn.Module):
    """Holds the single convolution under its published name."""

    def __init__(self, phi: nn.Module) -> None:
        super().__init__()
        self.qresi = phi


class _PartlySharedPhi(nn.Module):
    """Holds the convolutions under their published names."""

    def __init__(self, phis: Sequence[nn.Module]) -> None:
        super().__init__()
        self.qresi_ls = nn.ModuleList(phis)


class CodedScale(NamedTuple):
    """A scale: its `latents` (B, p * p, Cv), their `tokens` (B, p * p), and phi of the codes, the `detail` (B, Cv, H, W)."""

    latents: Tensor
    tokens: Tensor
    detail: Tensor


class MultiScaleQuantizer(nn.Module):
    """Codes a latent by its area averages at growing sizes; each scale codes what the smaller ones have left.

    Args:
        config: number of codes, their channels, and number of convolutions phi.
        patch_nums: side of each scale in tokens; that of the last one is the latent's.
    """

    ema_vocab_hit_SV: Tensor

    def __init__(self, config: VQVAEConfig, patch_nums: Sequence[int]) -> None:
        super().__init__()
        self.config, self.patch_nums = config, tuple(patch_nums)
        share = abs(config.quant_resi)
        # Published state dicts have no convolution where its share is 0.
        n = config.share_quant_resi or len(self.patch_nums)
        phis = [Phi(config.z_channels, share) if share > 1e-6 else nn.Identity() for _ in range(n)]
        self.quant_resi: nn.Module
        if config.share_quant_resi == 0:
            self.quant_resi = nn.ModuleList(phis)
        else:
            self.quant_resi = _SharedPhi(phis[0]) if n == 1 else _PartlySharedPhi(phis)
        # How often training used each code: nothing depends on it, but published files have it.
        self.register_buffer("ema_vocab_hit_SV", torch.zeros(len(self.patch_nums), config.vocab_size))
        self.embedding = nn.Embedding(config.vocab_size, config.z_channels)

    def phi(self, scale: int, scales: int | None = None) -> nn.Module:
        """Return phi of scale number `scale` of `scales`; None stands for the quantiser's own number of scales."""
        return self._phis[nearest_tick(scale, scales or len(self.patch_nums), len(self._phis))]

    def nearest(self, z: Tensor) -> Tensor:
        """Return the indices (…,) of the codes nearest to z (…, Cv), by distance or by cosine similarity."""
        codes = self.embedding.weight
        if self.config.using_znorm:
            return (functional.normalize(z, dim=-1) @ functional.normalize(codes, dim=-1).T).argmax(-1)
        return nearest_code(z, codes)

    @property
    def _phis(self) -> list[nn.Module]:
        held = self.quant_resi
        if isinstance(held, _SharedPhi):
            return [held.qresi]
        return list(cast(nn.ModuleList, held.qresi_ls if isinstance(held, _PartlySharedPhi) else held))

    def encode(self, f: Tensor, patch_nums: Sequence[int] | None = None) -> list[Tensor]:
        """Return the tokens of each scale, (B, p * p) int64, row-major.

        Args:
            f: latents, (B, Cv, p, p) with p the last of `patch_nums`.
            patch_nums: other scales than the quantiser's own.
        Raises: ValueError for latents of another size.
        """
        return [scale.tokens for scale in self.scan(f, tuple(patch_nums or self.patch_nums))]

    def scan(self, f: Tensor, sides: Sequence[int]) -> Iterator[CodedScale]:
        """Code latents f (B, Cv, p, p) scale after scale, each scale what the smaller ones have left.

        Raises: ValueError for latents of another size than the last scale's.
        """
        if f.shape[-2:] != (sides[-1], sides[-1]):
            raise ValueError(f"latents are {f.shape[-2]}×{f.shape[-1]}, but the last scale has side {sides[-1]}")
        residual = f
        for scale, side in enumerate(sides):
            z = residual if scale == len(sides) - 1 else functional.interpolate(residual, (side, side), mode="area")
            latents = z.flatten(2).transpose(1, 2)
            tokens = self.nearest(latents)
            detail = self.detail(tokens, scale, sides)
            residual = residual - detail
            yield CodedScale(latents, tokens, detail)

    def detail(self, tokens: Tensor, scale: int, patch_nums: Sequence[int] | None = None) -> Tensor:
        """Return what the tokens (B, p * p) of a scale add to the latent: (B, Cv, H, W), at the size of the last scale."""
        sides = patch_nums or self.patch_nums
        u = self.embedding(tokens).transpose(1, 2).unflatten(2, (sides[scale], sides[scale]))
        if scale < len(sides) - 1:
            u = enlarged(u, sides[-1])
        return self.phi(scale, len(sides))(u)

    def partial_sums(self, tokens: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield the latent after each scale, (B, Cv, H, W); the last one is the quantised latent."""
        total: Tensor | int = 0
        for scale, scale_tokens in enumerate(tokens):
            total = total + self.detail(scale_tokens, scale)
            yield total

    def next_input(self, total: Tensor, scale: int) -> Tensor:
        """Return the transformer's input for a scale: the area average of the latent so far, (B, p * p, Cv).

        Args: total: (B, Cv, H, W), the sum over all smaller scales. scale: 1 … K-1.
        """
        side = self.patch_nums[scale]
        return functional.interpolate(total, (side, side), mode="area").flatten(2).transpose(1, 2)

    def teacher_input(self, tokens: Sequence[Tensor]) -> Tensor:
        """Return the transformer's input for scales 1 … k, (B, l, Cv), given the true tokens of scales 0 … k-1.

        Args: tokens: of the first k >= 1 scales; those of the last of all scales are no input of any, and may be given or not.
        """
        last = len(self.patch_nums) - 1
        sums = zip(self.partial_sums(tokens[:last]), range(1, last + 1), strict=False)
        return torch.cat([self.next_input(total, scale) for total, scale in sums], dim=1)
