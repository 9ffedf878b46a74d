"""The U-Net of Ho et al. 2020, with the names of the files that SFT-PG publishes and fine-tunes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_ddpm import UNetConfig

EPS = 1e-6


class TimeEmbedding(nn.Module):
    """Sines, then cosines, of a real-valued step t times frequencies 10000^(-i / n), i = 0 … n, through two linear layers.

    Args:
        width: number of sines and cosines together, 2 (n + 1).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.dense = nn.ModuleList([nn.Linear(width, 4 * width), nn.Linear(4 * width, 4 * width)])

    def features(self, t: Tensor) -> Tensor:
        """Return the sines and cosines: (B,) -> (B, width)."""
        half = self.width // 2
        index = torch.arange(half, dtype=torch.float32, device=t.device)
        angles = torch.outer(t.float(), torch.exp(index * (-math.log(10_000) / (half - 1))))
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    def forward(self, t: Tensor) -> Tensor:
        """(B,) -> (B, 4 * width)."""
        return self.dense[1](functional.silu(self.dense[0](self.features(t))))


class ResidualBlock(nn.Module):
    """x + conv2(dropout(silu(norm2(conv1(silu(norm1(x))) + temb_proj(e))))) with e the activated embedding of the step.

    Where the number of channels changes, x goes through the 1×1 convolution `nin_shortcut`.

    Args:
        config: the network's settings.
        inputs, outputs: channels.
    """

    def __init__(self, config: UNetConfig, inputs: int, outputs: int) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.norm1 = nn.GroupNorm(config.norm_groups, inputs, eps=EPS)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.temb_proj = nn.Linear(4 * config.ch, outputs)
        self.norm2 = nn.GroupNorm(config.norm_groups, outputs, eps=EPS)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Run the block on x (B, inputs, H, W), with an activated embedding (B or 1, 4 * ch). Returns: (B, outputs, H, W)."""
        hidden = self.conv1(functional.silu(self.norm1(x))) + self.temb_proj(embedding)[:, :, None, None]
        hidden = functional.dropout(functional.silu(self.norm2(hidden)), self.dropout, self.training)
        return (x if self.nin_shortcut is None else self.nin_shortcut(x)) + self.conv2(hidden)


class Attention(nn.Module):
    """Self-attention of all pixels in a single head, added to its input: x + proj_out(softmax(q^T k / sqrt(C)) v)."""

    def __init__(self, config: UNetConfig, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(config.norm_groups, channels, eps=EPS)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        hidden = self.norm(x)
        query, key, value = (layer(hidden).flatten(2).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return x + self.proj_out(mixed.transpose(1, 2).reshape(x.shape))


class Resampler(nn.Module):
    """A 3×3 convolution that halves the resolution by its stride, or follows a nearest-neighbour doubling."""

    def __init__(self, channels: int, *, doubles: bool) -> None:
        super().__init__()
        self.doubles = doubles
        self.conv = nn.Conv2d(channels, channels, 3, stride=1 if doubles else 2, padding=1 if doubles else 0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2 H, 2 W) or (B, C, H / 2, W / 2)."""
        if self.doubles:
            return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv(functional.pad(x, (0, 1, 0, 1)))  # the published networks pad on the right and below only


class Level(nn.Module):
    """The blocks of one resolution on the way down or up. Either all of them attend or none does.

    Args:
        config: the network's settings.
        inputs: channels that each block takes.
        outputs: channels that each block gives.
        side: pixels a side.
    """

    downsample: Resampler | None
    upsample: Resampler | None

    def __init__(self, config: UNetConfig, inputs: list[int], outputs: int, side: int) -> None:
        super().__init__()
        self.downsample, self.upsample = None, None
        attends = side in config.attn_resolutions
        self.block = nn.ModuleList(ResidualBlock(config, channels, outputs) for channels in inputs)
        self.attn = nn.ModuleList(Attention(config, outputs) for _ in inputs if attends)

    def run(self, index: int, x: Tensor, embedding: Tensor) -> Tensor:
        """Run block number `index` and its attention."""
        x = self.block[index](x, embedding)
        return self.attn[index](x) if len(self.attn) else x


class Middle(nn.Module):
    """Two residual blocks around attention, at the coarsest resolution."""

    def __init__(self, config: UNetConfig, channels: int) -> None:
        super().__init__()
        self.block_1, self.block_2 = ResidualBlock(config, channels, channels), ResidualBlock(config, channels, channels)
        self.attn_1 = Attention(config, channels)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return self.block_2(self.attn_1(self.block_1(x, embedding)), embedding)


class NoiseUNet(nn.Module):
    """Predicts the noise in images at a real-valued step. Weights begin as torch's own layers do.

    Args:
        config: the settings.
        resolution, channels: pixels a side and channels of the images.
    Source: Ho et al. 2020, appendix B.
    """

    def __init__(self, config: UNetConfig, *, resolution: int, channels: int) -> None:
        super().__init__()
        widths = [config.ch * mult for mult in config.ch_mult]
        self.temb = TimeEmbedding(config.ch)
        self.conv_in = nn.Conv2d(channels, config.ch, 3, padding=1)
        self.down, self.up, self.mid = nn.ModuleList(), nn.ModuleList(), Middle(config, widths[-1])
        skips = self._build_down(config, widths, resolution)
        self._build_up(config, widths, resolution, skips)
        self.norm_out = nn.GroupNorm(config.norm_groups, widths[0], eps=EPS)
        self.conv_out = nn.Conv2d(widths[0], channels, 3, padding=1)

    def _build_down(self, config: UNetConfig, widths: list[int], resolution: int) -> list[int]:
        """Fill `down`. Returns: the channels of the skips, in the order in which the forward pass leaves them."""
        skips, current, blocks = [config.ch], config.ch, config.num_res_blocks
        for level, width in enumerate(widths):
            stage = Level(config, [current] + [width] * (blocks - 1), width, resolution >> level)
            skips += [width] * blocks
            if level != len(widths) - 1:
                stage.downsample = Resampler(width, doubles=False)
                skips.append(width)
            self.down.append(stage)
            current = width
        return skips

    def _build_up(self, config: UNetConfig, widths: list[int], resolution: int, skips: list[int]) -> None:
        """Fill `up`, whose blocks each take one of the skips, the last skip first."""
        stages, current = [], widths[-1]
        for level, width in reversed(list(enumerate(widths))):
            inputs = [(current if index == 0 else width) + skips.pop() for index in range(config.num_res_blocks + 1)]
            stage = Level(config, inputs, width, resolution >> level)
            if level:
                stage.upsample = Resampler(width, doubles=True)
            stages.append(stage)
            current = width
        self.up.extend(reversed(stages))  # numbered by level, although the coarsest level runs first

    def forward(self, x: Tensor, t: int | float | Tensor) -> Tensor:
        """Predict the noise in images x (B, C, R, R), (B, C, R, R). t: one step for all or (B,), real-valued, 0 = least noisy."""
        time = torch.as_tensor(t, dtype=torch.float32, device=x.device).view(-1)
        embedding = functional.silu(self.temb(time))
        x = self.conv_in(x)
        skips = [x]
        for stage in cast("Iterable[Level]", self.down):
            for index in range(len(stage.block)):
                x = stage.run(index, x, embedding)
                skips.append(x)
            if stage.downsample is not None:
                x = stage.downsample(x)
                skips.append(x)
        x = self.mid(x, embedding)
        for stage in cast("Iterable[Level]", reversed(self.up)):
            for index in range(len(stage.block)):
                x = stage.run(index, torch.cat([x, skips.pop()], dim=1), embedding)
            if stage.upsample is not None:
                x = stage.upsample(x)
        return self.conv_out(functional.silu(self.norm_out(x)))
