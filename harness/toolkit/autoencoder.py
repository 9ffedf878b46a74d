"""The convolutional autoencoder of image tokenizers.

All published tokenizers are made of the same blocks. They differ in the names of their weights and in the levels that have
attention, which are therefore arguments. Source: Esser et al. 2021 (taming transformers, arXiv 2012.09841).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class LayerNames:
    """Names of the layers in a published file; the defaults are those of taming transformers.

    Args:
        down, up: the levels of the encoder, and of the decoder.
        block: the residual blocks of a level.
        middle: the block, the attention and the second block at the lowest resolution.
        full_resolution_first: whether level 0 of the decoder is the one at full resolution, as in the encoder. False numbers the
            decoder's levels in the order in which they are evaluated.
        packed: whether attention has one convolution `qkv` in the place of three, `q`, `k` and `v`.
    """

    down: str = "down"
    up: str = "up"
    block: str = "block"
    middle: tuple[str, str, str] = ("block_1", "attn_1", "block_2")
    full_resolution_first: bool = True
    packed: bool = False


@dataclass(frozen=True)
class Architecture:
    """Sizes of an autoencoder.

    Args:
        channels: channels of the images.
        width: channels of the network at full resolution.
        multipliers: channels of each level in units of `width`, full resolution first. Each level but the last halves the image.
        blocks: residual blocks in a level of the encoder; a level of the decoder has one more.
        latents: channels of the latents.
        attention: levels with attention after each block; 0 is the full resolution. The middle always has attention.
        names: names of the layers.
    """

    channels: int
    width: int
    multipliers: Sequence[int]
    blocks: int
    latents: int
    attention: Collection[int]
    names: LayerNames = LayerNames()


def group_norm(channels: int) -> nn.GroupNorm:
    """Return a group normalisation of 32 groups, as published; of as many as possible where 32 does not divide the channels."""
    return nn.GroupNorm(math.gcd(32, channels), channels, eps=1e-6)


class ResBlock(nn.Module):
    """Two 3×3 convolutions, each after a norm and SiLU, beside a shortcut, which is a 1×1 convolution where channels change."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = group_norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = group_norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        hidden = self.conv1(functional.silu(self.norm1(x)))
        return self.nin_shortcut(x) + self.conv2(functional.silu(self.norm2(hidden)))


class SpatialAttention(nn.Module):
    """Self-attention with one head over all positions, added to its input."""

    def __init__(self, channels: int, *, packed: bool) -> None:
        super().__init__()
        self.norm, self.packed = group_norm(channels), packed
        if packed:
            self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        else:
            self.q, self.k, self.v = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        normed = self.norm(x)
        if self.packed:
            query, key, value = self.qkv(normed).flatten(2).transpose(1, 2).chunk(3, dim=-1)
        else:
            query, key, value = (part(normed).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))
        mixed = functional.scaled_dot_product_attention(query, key, value)  # softmax(q k^T / sqrt(C)) v
        return x + self.proj_out(mixed.transpose(1, 2).view_as(x))


class Downsample(nn.Module):
    """Halves the resolution. It pads one column at the right and one row at the bottom, as the published weights expect."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H/2, W/2)."""
        return self.conv(functional.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Doubles the resolution by repeating pixels, and smooths them with a 3×3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2H, 2W)."""
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Residual blocks at one resolution, each followed by attention if `attention` is true, and then perhaps a resampling."""

    downsample: Downsample
    upsample: Upsample

    def __init__(self, inputs: int, outputs: int, blocks: int, names: LayerNames, *, attention: bool) -> None:
        super().__init__()
        self._block = names.block
        self.add_module(names.block, nn.ModuleList(ResBlock(outputs if i else inputs, outputs) for i in range(blocks)))
        packed, count = names.packed, blocks if attention else 0
        self.attn = nn.ModuleList(SpatialAttention(outputs, packed=packed) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W), or of half or twice the size where a resampling is attached."""
        for index, block in enumerate(cast(Iterable[nn.Module], getattr(self, self._block))):
            x = block(x)
            if self.attn:
                x = self.attn[index](x)
        for resampling in ("downsample", "upsample"):
            if hasattr(self, resampling):
                x = getattr(self, resampling)(x)
        return x


def middle(channels: int, names: LayerNames) -> nn.Sequential:
    """Return a block, attention and a second block, for the lowest resolution."""
    # Layers draw their random weights when they are made, so the order of the calls is part of what a seed means.
    first, attention = ResBlock(channels, channels), SpatialAttention(channels, packed=names.packed)
    parts = (first, attention, ResBlock(channels, channels))
    return nn.Sequential(OrderedDict(zip(names.middle, parts, strict=True)))


class Encoder(nn.Module):
    """Turns images into latents."""

    def __init__(self, sizes: Architecture) -> None:
        super().__init__()
        names, current, last = sizes.names, sizes.width, len(sizes.multipliers) - 1
        self.conv_in = nn.Conv2d(sizes.channels, current, 3, padding=1)
        levels = nn.ModuleList()
        for index, multiplier in enumerate(sizes.multipliers):
            outputs = sizes.width * multiplier
            level = Level(current, outputs, sizes.blocks, names, attention=index in sizes.attention)
            current = outputs
            if index < last:
                level.downsample = Downsample(current)
            levels.append(level)
        self._levels = names.down
        self.add_module(names.down, levels)
        self.mid = middle(current, names)
        self.norm_out, self.conv_out = group_norm(current), nn.Conv2d(current, sizes.latents, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, latents, H / 2^(levels - 1), W / 2^(levels - 1))."""
        x = self.conv_in(x)
        for level in getattr(self, self._levels):
            x = level(x)
        return self.conv_out(functional.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """Turns latents into images."""

    def __init__(self, sizes: Architecture) -> None:
        super().__init__()
        names, current = sizes.names, sizes.width * sizes.multipliers[-1]
        self.conv_in = nn.Conv2d(sizes.latents, current, 3, padding=1)
        self.mid = middle(current, names)
        levels: list[Level] = []
        for index, multiplier in reversed(list(enumerate(sizes.multipliers))):
            outputs = sizes.width * multiplier
            level = Level(current, outputs, sizes.blocks + 1, names, attention=index in sizes.attention)
            current = outputs
            if index:
                level.upsample = Upsample(current)
            levels.append(level)
        self._levels, self._reversed = names.up, names.full_resolution_first
        self.add_module(names.up, nn.ModuleList(levels[::-1] if self._reversed else levels))
        self.norm_out, self.conv_out = group_norm(current), nn.Conv2d(current, sizes.channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, latents, h, w) -> (B, channels, h * 2^(levels - 1), w * 2^(levels - 1))."""
        x = self.mid(self.conv_in(x))
        levels = list(getattr(self, self._levels))
        for level in reversed(levels) if self._reversed else levels:
            x = level(x)
        return self.conv_out(functional.silu(self.norm_out(x)))
