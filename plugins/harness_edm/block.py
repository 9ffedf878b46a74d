"""The residual block of both EDM networks, with self-attention where a level has it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.toolkit.feature_maps import self_attention
from harness.toolkit.unet_levels import Resample
from harness_edm.layers import Conv, Initialise, linear, norm

SQRT_HALF = math.sqrt(0.5)
"""Keeps the variance of a sum of two independent branches of equal variance."""


@dataclass(frozen=True)
class BlockStyle:
    """The settings that all blocks of one network have in common.

    Args:
        embedding: width of the noise-level embedding.
        eps: added to the variance in the group normalisations.
        initialise: initial weights of most layers.
        initialise_last: initial weights of the last layer of each branch.
        initialise_qkv: initial weights of the layer that gives queries, keys and values.
        dropout: probability of dropping an activation in training.
        skip_scale: factor of each sum of two branches.
        scales_adaptively: True where the embedding scales and shifts the second normalised activations; False where it is added
            before the second normalisation.
        projects_resampled: True where a shortcut that only resamples has a 1×1 convolution all the same.
        taps: the resampling filter.
        channels_per_head: channels of an attention head; None for a single head.
    """

    embedding: int
    eps: float
    initialise: Initialise
    initialise_last: Initialise
    initialise_qkv: Initialise
    dropout: float
    skip_scale: float
    scales_adaptively: bool
    projects_resampled: bool
    taps: tuple[float, ...]
    channels_per_head: int | None

    def heads(self, channels: int) -> int:
        """Return the number of attention heads of a block; 0 means that the block is too narrow for attention."""
        return 1 if self.channels_per_head is None else channels // self.channels_per_head


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions on normalised inputs, conditioned on the noise level, with a shortcut and optional self-attention.

    With a(e) a linear layer of the embedding e, and q the style's `skip_scale`:

        h  = conv0(silu(norm0(x)))
        h  = silu(norm1(h + a(e))),  or adaptively  silu(norm1(h) (1 + scale) + shift)  with  scale, shift = a(e)
        x  = (conv1(dropout(h)) + skip(x)) q
        x  = (proj(attention(qkv(norm2(x)))) + x) q,  where the block attends

    Args:
        inputs, outputs: channels.
        style: what the block shares with the other blocks of the network.
        resample: whether the first convolution and the shortcut halve ("down") or double ("up") the resolution.
        attention: whether the block attends, if it is wide enough for a head.
    Source: Song et al. 2021; Dhariwal and Nichol 2021; Karras et al. 2022, appendix F.
    """

    def __init__(
        self, inputs: int, outputs: int, style: BlockStyle, *, resample: Resample | None = None, attention: bool = False
    ) -> None:
        super().__init__()
        self.style, self.heads = style, style.heads(outputs) if attention else 0
        self.norm0 = norm(inputs, style.eps)
        self.conv0 = Conv(inputs, outputs, 3, style.initialise, resample=resample, taps=style.taps)
        self.affine = linear(style.embedding, outputs * (2 if style.scales_adaptively else 1), style.initialise)
        self.norm1 = norm(outputs, style.eps)
        self.conv1 = Conv(outputs, outputs, 3, style.initialise_last)
        self.skip: Conv | None = None
        if inputs != outputs or resample is not None:
            kernel = 1 if inputs != outputs or style.projects_resampled else 0
            self.skip = Conv(inputs, outputs, kernel, style.initialise, resample=resample, taps=style.taps)
        if self.heads:
            self.norm2 = norm(outputs, style.eps)
            self.qkv = Conv(outputs, 3 * outputs, 1, style.initialise_qkv)
            self.proj = Conv(outputs, outputs, 1, style.initialise_last)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Run the block on x (B, inputs, H, W), with an embedding (B or 1, width). Returns: (B, outputs, H', W')."""
        hidden = self.conv0(functional.silu(self.norm0(x)))
        hidden = functional.silu(self._conditioned(hidden, self.affine(embedding)[:, :, None, None]))
        hidden = self.conv1(functional.dropout(hidden, self.style.dropout, self.training))
        x = (hidden + (x if self.skip is None else self.skip(x))) * self.style.skip_scale
        if not self.heads:
            return x
        return (self.proj(self_attention(self.qkv(self.norm2(x)), self.heads)) + x) * self.style.skip_scale

    def _conditioned(self, hidden: Tensor, level: Tensor) -> Tensor:
        if not self.style.scales_adaptively:
            return self.norm1(hidden + level)
        scale, shift = level.chunk(2, dim=1)
        return torch.addcmul(shift, self.norm1(hidden), 1 + scale)
