"""The frame of both U-Nets: levels of residual blocks down and up again, with a skip into every decoder block."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness_edm import UNetConfig
from harness_edm.block import BlockStyle, ResidualBlock
from harness_edm.layers import Conv


class LevelledUNet(nn.Module):
    """Builds and runs `enc` and `dec`, whose entries have the names of the published files.

    Args:
        style: of the blocks.
        resolution, channels: of the images.
        first: channels after the first convolution.
    """

    def __init__(self, config: UNetConfig, style: BlockStyle, *, resolution: int, channels: int, first: int) -> None:
        super().__init__()
        self.config, self.style, self.channels = config, style, channels
        self.widths = [config.model_channels * mult for mult in config.channel_mult]
        self.enc, skips = self._encoder(resolution, first)
        self.dec = self._decoder(resolution, skips)

    def attends_in_decoder(self, side: int, index: int) -> bool:
        """Whether decoder block number `index` of the level with this size in pixels attends."""
        return side in self.config.attn_resolutions

    def after_down(self, entries: nn.ModuleDict, side: int, width: int) -> None:
        """Called when an encoder level has got its first block; adds what else comes there."""

    def _encoder(self, resolution: int, first: int) -> tuple[nn.ModuleDict, list[int]]:
        """The entries in order, and the channels of the skips that they leave."""
        entries, skips, current = nn.ModuleDict(), [], first
        for level, wide in enumerate(self.widths):
            side = resolution >> level
            if level == 0:
                entries[f"{side}x{side}_conv"] = Conv(self.channels, current, 3, self.style.initialise)
            else:
                entries[f"{side}x{side}_down"] = ResidualBlock(current, current, self.style, resample="down")
                self.after_down(entries, side, current)
            skips.append(current)
            for index in range(self.config.num_blocks):
                attention = side in self.config.attn_resolutions
                entries[f"{side}x{side}_block{index}"] = ResidualBlock(current, wide, self.style, attention=attention)
                current = wide
                skips.append(current)
        return entries, skips

    def _decoder(self, resolution: int, skips: list[int]) -> nn.ModuleDict:
        entries, current, skips = nn.ModuleDict(), skips[-1], list(skips)
        for level, wide in reversed(list(enumerate(self.widths))):
            side = resolution >> level
            if level == len(self.widths) - 1:
                entries[f"{side}x{side}_in0"] = ResidualBlock(current, current, self.style, attention=True)
                entries[f"{side}x{side}_in1"] = ResidualBlock(current, current, self.style)
            else:
                entries[f"{side}x{side}_up"] = ResidualBlock(current, current, self.style, resample="up")
            for index in range(self.config.num_blocks + 1):
                attention = self.attends_in_decoder(side, index)
                block = ResidualBlock(current + skips.pop(), wide, self.style, attention=attention)
                entries[f"{side}x{side}_block{index}"] = block
                current = wide
        return entries

    def encode(self, x: Tensor, embedding: Tensor) -> list[Tensor]:
        """The skips, coarsest last. x: (B, C, R, R)."""
        skips = []
        for entry in self.enc.values():
            x = entry(x, embedding) if isinstance(entry, ResidualBlock) else entry(x)
            skips.append(x)
        return skips

    def decode(self, skips: list[Tensor], embedding: Tensor) -> Tensor:
        """(B, width of the finest level, R, R), before the output stage."""
        x, skips = skips[-1], list(skips)
        for name, entry in self.dec.items():
            if isinstance(entry, ResidualBlock):
                x = entry(torch.cat([x, skips.pop()], dim=1) if "_block" in name else x, embedding)
        return x
