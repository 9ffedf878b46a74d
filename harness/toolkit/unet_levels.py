"""The frame that EDM's and EDM2's U-Nets share: levels of blocks down and up again, with a skip into each decoder block.

An encoder level begins with a block that halves the resolution, except the finest level, which begins with a convolution of the
input. A decoder level begins with a block that doubles the resolution, except the coarsest level, which begins with two blocks of
its own. The output of each encoder entry is a skip; each `_block` of the decoder joins the newest unused skip to its input.
Names of the entries are those of the published files: `8x8_down`, `8x8_block0`, …
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

Resample = Literal["up", "down"]


class MakeBlock(Protocol):
    """Build a residual block of a network."""

    def __call__(self, inputs: int, outputs: int, *, resample: Resample | None = None, attention: bool = False) -> nn.Module:
        """Return a block that is called with (B, inputs, H, W) and an embedding, and returns (B, outputs, H', W')."""
        ...


class Entry(NamedTuple):
    """A part of the encoder or decoder: its name, its module, and the channels of the module's output."""

    name: str
    module: nn.Module
    channels: int


@dataclass(frozen=True)
class Levels:
    """The number and the widths of the levels of a U-Net, and the sizes at which blocks attend.

    Args:
        resolution: pixels a side of the finest level; each further level has half of the one before.
        widths: channels of each level, finest first.
        blocks: residual blocks of an encoder level; a decoder level has one more, for the skip of the level's first entry.
        attention: the sizes in pixels at which blocks attend.
        attends_last: in the decoder only the last block of a level attends.
    """

    resolution: int
    widths: Sequence[int]
    blocks: int
    attention: Collection[int]
    attends_last: bool = False

    def encoder(self, convolution: nn.Module, channels: int, make: MakeBlock) -> Iterator[Entry]:
        """Build the encoder, entry by entry in the order of the forward pass.

        Args:
            convolution: the first entry, which takes the images and no embedding. channels: of its output.
        """
        for level, width in enumerate(self.widths):
            side = self.resolution >> level
            if level == 0:
                yield Entry(f"{side}x{side}_conv", convolution, channels)
            else:
                yield Entry(f"{side}x{side}_down", make(channels, channels, resample="down"), channels)
            for index in range(self.blocks):
                block = make(channels, width, attention=side in self.attention)
                channels = width
                yield Entry(f"{side}x{side}_block{index}", block, channels)

    def decoder(self, skips: Sequence[int], make: MakeBlock) -> Iterator[Entry]:
        """Build the decoder, entry by entry in the order of the forward pass. skips: channels of each encoder output."""
        channels, unused = skips[-1], list(skips)
        for level, width in reversed(list(enumerate(self.widths))):
            side = self.resolution >> level
            if level == len(self.widths) - 1:
                yield Entry(f"{side}x{side}_in0", make(channels, channels, attention=True), channels)
                yield Entry(f"{side}x{side}_in1", make(channels, channels), channels)
            else:
                yield Entry(f"{side}x{side}_up", make(channels, channels, resample="up"), channels)
            for index in range(self.blocks + 1):
                attends = side in self.attention and (index == self.blocks or not self.attends_last)
                block = make(channels + unused.pop(), width, attention=attends)
                channels = width
                yield Entry(f"{side}x{side}_block{index}", block, channels)


def module_dict(entries: Iterable[Entry]) -> nn.ModuleDict:
    """Return the modules of the entries by name, in their order."""
    return nn.ModuleDict({entry.name: entry.module for entry in entries})


def encode(entries: Iterable[tuple[str, nn.Module]], x: Tensor, embedding: Tensor) -> list[Tensor]:
    """Run the encoder on images (B, C, R, R). Returns: the output of each entry, which are the skips, finest first."""
    skips: list[Tensor] = []
    for name, module in entries:
        x = module(x) if name.endswith("_conv") else module(x, embedding)
        skips.append(x)
    return skips


def side_by_side(x: Tensor, skip: Tensor) -> Tensor:
    """Put the main path and a skip beside each other along the channels."""
    return torch.cat([x, skip], dim=1)


def decode(
    entries: Iterable[tuple[str, nn.Module]], skips: Sequence[Tensor], embedding: Tensor, *,
    join: Callable[[Tensor, Tensor], Tensor] = side_by_side,
) -> Tensor:  # fmt: skip
    """Run the decoder.

    Args:
        skips: what `encode` returned.
        join: puts a skip (second) beside the main path (first).
    Returns: (B, width of the finest level, R, R).
    """
    x, unused = skips[-1], list(skips)
    for name, module in entries:
        x = module(join(x, unused.pop()) if "_block" in name else x, embedding)
    return x
