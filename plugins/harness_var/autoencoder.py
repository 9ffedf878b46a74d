"""The convolutional encoder and decoder of the tokenizer."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional


def group_norm(channels: int) -> nn.GroupNorm:
    """Thirty-two groups, as published; as many as possible where 32 does not divide the channels."""
    return nn.GroupNorm(math.gcd(32, channels), channels, eps=1e-6)


class ResBlock(nn.Module):
    """Two 3×3 convolutions, each after norm and SiLU, beside a shortcut that is 1×1 where the channels change."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = group_norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = group_norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        hidden = self.conv1(functional.silu(self.norm1(x)))
        hidden = self.conv2(functional.silu(self.norm2(hidden)))
        return self.nin_shortcut(x) + hidden


class SpatialAttention(nn.Module):
    """Self-attention of one head over all positions, with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        query, key, value = self.qkv(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=-1)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return x + self.proj_out(mixed.transpose(1, 2).view_as(x))


class Downsample(nn.Module):
    """Halves the resolution. Padding is one column at the right and one row at the bottom, as trained."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H/2, W/2)."""
        return self.conv(functional.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Doubles the resolution by repetition, then smooths."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2H, 2W)."""
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Residual blocks at one resolution, each followed by attention where `attention`."""

    downsample: Downsample
    upsample: Upsample

    def __init__(self, inputs: int, outputs: int, blocks: int, *, attention: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResBlock(outputs if index else inputs, outputs) for index in range(blocks))
        self.attn = nn.ModuleList(SpatialAttention(outputs) for _ in range(blocks if attention else 0))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        for index, block in enumerate(self.block):
            x = block(x)
            if self.attn:
                x = self.attn[index](x)
        return x


def middle(channels: int) -> nn.Sequential:
    """Block, attention, block at the lowest resolution."""
    return nn.Sequential(
        OrderedDict(
            block_1=ResBlock(channels, channels),
            attn_1=SpatialAttention(channels),
            block_2=ResBlock(channels, channels),
        )
    )


class Encoder(nn.Module):
    """Images to latents; attention at the lowest resolution only.

    Args:
        channels: of the images. width: channels at full resolution.
        multipliers: channels of each level in units of `width`, full resolution first.
        blocks: residual blocks a level. outputs: channels of the latents.
    """

    def __init__(self, channels: int, width: int, multipliers: Sequence[int], blocks: int, outputs: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, width, 3, padding=1)
        self.down = nn.ModuleList()
        current, last = width, len(multipliers) - 1
        for index, multiplier in enumerate(multipliers):
            level = Level(current, width * multiplier, blocks, attention=index == last)
            current = width * multiplier
            if index < last:
                level.downsample = Downsample(current)
            self.down.append(level)
        self.mid = middle(current)
        self.norm_out, self.conv_out = group_norm(current), nn.Conv2d(current, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, outputs, H / 2^(levels - 1), W / 2^(levels - 1))."""
        x = self.conv_in(x)
        for level in cast(Iterable[Level], self.down):
            x = level(x)
            if hasattr(level, "downsample"):
                x = level.downsample(x)
        return self.conv_out(functional.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """Latents to images. `up` is indexed by level, full resolution first, and evaluated from its end.

    Args: as for `Encoder`; each level has one residual block more.
    """

    def __init__(self, channels: int, width: int, multipliers: Sequence[int], blocks: int, inputs: int) -> None:
        super().__init__()
        current = width * multipliers[-1]
        self.conv_in = nn.Conv2d(inputs, current, 3, padding=1)
        self.mid = middle(current)
        levels: list[Level] = []
        for index, multiplier in reversed(list(enumerate(multipliers))):
            level = Level(current, width * multiplier, blocks + 1, attention=index == len(multipliers) - 1)
            current = width * multiplier
            if index:
                level.upsample = Upsample(current)
            levels.insert(0, level)
        self.up = nn.ModuleList(levels)
        self.norm_out, self.conv_out = group_norm(current), nn.Conv2d(current, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, channels, h * 2^(levels - 1), w * 2^(levels - 1))."""
        x = self.mid(self.conv_in(x))
        for level in cast(Iterable[Level], reversed(self.up)):
            x = level(x)
            if hasattr(level, "upsample"):
                x = level.upsample(x)
        return self.conv_out(functional.silu(self.norm_out(x)))
