"""The convolutional encoder and decoder of the tokenizers, in two layouts with the same blocks."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from harness_maskgit import VQGANConfig


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
        return self.nin_shortcut(x) + self.conv2(functional.silu(self.norm2(hidden)))


class SpatialAttention(nn.Module):
    """Self-attention of one head over all positions, with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.q, self.k, self.v = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        normed = self.norm(x)
        query, key, value = (one(normed).flatten(2).transpose(1, 2) for one in (self.q, self.k, self.v))
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
    """Residual blocks at one resolution, called `name` in the state dict, each followed by attention if `attention`."""

    downsample: Downsample
    upsample: Upsample

    def __init__(self, inputs: int, outputs: int, blocks: int, *, attention: bool, name: str) -> None:
        super().__init__()
        self._name = name
        self.add_module(name, nn.ModuleList(ResBlock(outputs if i else inputs, outputs) for i in range(blocks)))
        self.attn = nn.ModuleList(SpatialAttention(outputs) for _ in range(blocks if attention else 0))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W), or of the next level's size where a resampling is attached."""
        for index, block in enumerate(cast(Iterable[nn.Module], getattr(self, self._name))):
            x = block(x)
            if self.attn:
                x = self.attn[index](x)
        for resampling in ("downsample", "upsample"):
            if hasattr(self, resampling):
                x = getattr(self, resampling)(x)
        return x


class Layout:
    """What the two layouts differ in: names, the order of the decoder's levels, and where attention is."""

    def __init__(self, config: VQGANConfig) -> None:
        self.config, self.is_taming = config, config.layout == "taming"
        self.blocks = "block" if self.is_taming else "res"

    def has_attention(self, level: int) -> bool:
        """Whether a level has attention; level 0 has the full resolution."""
        if self.is_taming:  # the nominal resolution decides, whatever the images' is
            return self.config.resolution // 2**level in self.config.attn_resolutions
        return level == len(self.config.ch_mult) - 1

    def middle(self, channels: int) -> nn.Sequential:
        """Block, attention, block at the lowest resolution."""
        parts = (ResBlock(channels, channels), SpatialAttention(channels), ResBlock(channels, channels))
        names = ("block_1", "attn_1", "block_2") if self.is_taming else ("0", "1", "2")
        return nn.Sequential(OrderedDict(zip(names, parts, strict=True)))


class Encoder(nn.Module):
    """Images to latents. Args: config: sizes and layout. channels: of the images."""

    def __init__(self, config: VQGANConfig, channels: int) -> None:
        super().__init__()
        layout, current, last = Layout(config), config.ch, len(config.ch_mult) - 1
        self.conv_in = nn.Conv2d(channels, current, 3, padding=1)
        levels = nn.ModuleList()
        for index, multiplier in enumerate(config.ch_mult):
            attention, outputs = layout.has_attention(index), config.ch * multiplier
            level = Level(current, outputs, config.num_res_blocks, attention=attention, name=layout.blocks)
            current = outputs
            if index < last:
                level.downsample = Downsample(current)
            levels.append(level)
        self._levels = "down" if layout.is_taming else "conv_blocks"
        self.add_module(self._levels, levels)
        self.mid = layout.middle(current)
        self.norm_out, self.conv_out = group_norm(current), nn.Conv2d(current, config.z_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, z_channels, H / downsample, W / downsample)."""
        x = self.conv_in(x)
        for level in getattr(self, self._levels):
            x = level(x)
        return self.conv_out(functional.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """Latents to images. Args: as for `Encoder`; each level has one residual block more."""

    def __init__(self, config: VQGANConfig, channels: int) -> None:
        super().__init__()
        layout, current = Layout(config), config.ch * config.ch_mult[-1]
        self.conv_in = nn.Conv2d(config.z_channels, current, 3, padding=1)
        self.mid = layout.middle(current)
        levels: list[Level] = []
        for index, multiplier in reversed(list(enumerate(config.ch_mult))):
            attention, outputs = layout.has_attention(index), config.ch * multiplier
            level = Level(current, outputs, config.num_res_blocks + 1, attention=attention, name=layout.blocks)
            current = outputs
            if index:
                level.upsample = Upsample(current)
            levels.append(level)
        # Taming counts levels from the full resolution and evaluates them from the end; LlamaGen as evaluated.
        self._is_taming = layout.is_taming
        self._levels = "up" if layout.is_taming else "conv_blocks"
        self.add_module(self._levels, nn.ModuleList(levels[::-1] if layout.is_taming else levels))
        self.norm_out, self.conv_out = group_norm(current), nn.Conv2d(current, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, z_channels, h, w) -> (B, channels, h * downsample, w * downsample)."""
        x = self.mid(self.conv_in(x))
        levels = list(getattr(self, self._levels))
        for level in reversed(levels) if self._is_taming else levels:
            x = level(x)
        return self.conv_out(functional.silu(self.norm_out(x)))
