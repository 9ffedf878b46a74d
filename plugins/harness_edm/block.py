"""The residual block of both EDM networks, with self-attention where a level has it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_edm.layers import Conv, Initialise, Resample, linear, norm


@dataclass(frozen=True)
class BlockStyle:
    """What the blocks of one network have in common.

    Args:
        embedding: width of the noise-level embedding.
        eps: of the group normalisations.
        initialise, initialise_last, initialise_qkv: most layers, each branch's last one, queries to values.
        dropout: probability, in training.
        skip_scale: factor of each sum of two branches.
        scales_adaptively: whether the embedding scales and shifts the normalised activations, or is added before that.
        projects_resampled: whether a block that only resamples has a 1×1 convolution in its shortcut.
        taps: the resampling filter.
        channels_per_head: of attention; None puts all channels in one head.
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
        """Attention heads of a block with this many channels; 0 means that it is too narrow for attention."""
        return 1 if self.channels_per_head is None else channels // self.channels_per_head


class ResidualBlock(nn.Module):
    """Two normalised 3×3 convolutions that know the noise level, a shortcut, and self-attention.

    Args:
        inputs, outputs: channels.
        resample: the first convolution and the shortcut halve or double the resolution.
        attention: whether the block attends, if it is wide enough for a head.
    Source: Karras et al. 2022, appendix; Song et al. 2021; Dhariwal and Nichol 2021.
    """

    def __init__(
        self, inputs: int, outputs: int, style: BlockStyle, *, resample: Resample | None = None, attention: bool = False
    ) -> None:
        super().__init__()
        self.style, self.heads = style, style.heads(outputs) if attention else 0
        resampling = {"resample": resample, "taps": style.taps}
        self.norm0 = norm(inputs, style.eps)
        self.conv0 = Conv(inputs, outputs, 3, style.initialise, **resampling)  # type: ignore[arg-type]
        self.affine = linear(style.embedding, outputs * (2 if style.scales_adaptively else 1), style.initialise)
        self.norm1 = norm(outputs, style.eps)
        self.conv1 = Conv(outputs, outputs, 3, style.initialise_last)
        self.skip: Conv | None = None
        if inputs != outputs or resample is not None:
            kernel = 1 if inputs != outputs or style.projects_resampled else 0
            self.skip = Conv(inputs, outputs, kernel, style.initialise, **resampling)  # type: ignore[arg-type]
        if self.heads:
            self.norm2 = norm(outputs, style.eps)
            self.qkv = Conv(outputs, 3 * outputs, 1, style.initialise_qkv)
            self.proj = Conv(outputs, outputs, 1, style.initialise_last)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x: (B, inputs, H, W); embedding: (B, width) or (1, width). Returns: (B, outputs, H', W')."""
        hidden = self.conv0(functional.silu(self.norm0(x)))
        hidden = functional.silu(self._condition(hidden, self.affine(embedding)[:, :, None, None]))
        hidden = self.conv1(functional.dropout(hidden, self.style.dropout, self.training))
        x = (hidden + (x if self.skip is None else self.skip(x))) * self.style.skip_scale
        return (self.proj(self._attend(self.norm2(x))) + x) * self.style.skip_scale if self.heads else x

    def _condition(self, hidden: Tensor, level: Tensor) -> Tensor:
        if not self.style.scales_adaptively:
            return self.norm1(hidden + level)
        scale, shift = level.chunk(2, dim=1)
        return torch.addcmul(shift, self.norm1(hidden), 1 + scale)

    def _attend(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        # The published weights have query, key and value of a channel side by side, channels grouped by head.
        parts = self.qkv(x).view(batch, self.heads, channels // self.heads, 3, height * width)
        query, key, value = (part.transpose(2, 3) for part in parts.unbind(3))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return mixed.transpose(2, 3).reshape(batch, channels, height, width)


HALF = math.sqrt(0.5)
"""Keeps the variance of a sum of two independent branches."""
