"""A vision transformer whose state dict has DINOv2's names. Source: Oquab et al. 2023; Dosovitskiy et al. 2020."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-6
OFFSET = 0.1
"""DINOv2 resizes its positions by the factor (side + 0.1) / side of the training grid, which guards the side against rounding.
The offset moves every feature a little, and is part of the published features."""


class Block(nn.Module):
    """Attention and then a feed-forward layer: each normalises its input, scales its output, and adds it to the input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=EPSILON), nn.LayerNorm(width, eps=EPSILON)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.ls1, self.ls2 = (nn.ParameterDict({"gamma": nn.Parameter(torch.ones(width))}) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, width) -> (B, L, width)."""
        x = x + self.ls1["gamma"] * self._attend(self.norm1(x))
        return x + self.ls2["gamma"] * self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))

    def _attend(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        qkv = self.attn["qkv"](x).reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.attn["proj"](mixed.transpose(1, 2).reshape(batch, length, width))


class VisionTransformer(nn.Module):
    """A vision transformer that returns its class token after the last normalisation.

    Args:
        width, depth, heads: sizes of the transformer.
        patch: pixels a side of a patch.
        grid: patches a side in training; the weights file has a position for each of them.
    """

    def __init__(self, *, width: int = 1024, depth: int = 24, heads: int = 16, patch: int = 14, grid: int = 37) -> None:
        super().__init__()
        self.grid = grid
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid**2, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # its training used it; the file has it, nothing here uses it
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, stride=patch)})
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W), H and W multiples of `patch` -> (B, width)."""
        patches = self.patch_embed["proj"](x)
        tokens = patches.flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], 1) + self._positions(patches.shape[-1])
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 0]

    def _positions(self, side: int) -> Tensor:
        """Return the positions of the class token and of side * side patches, resized from the training's grid."""
        if side == self.grid:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].reshape(1, self.grid, self.grid, -1).permute(0, 3, 1, 2)
        factor = (side + OFFSET) / self.grid
        resized = F.interpolate(grid, scale_factor=(factor, factor), mode="bicubic", antialias=False)
        return torch.cat([self.pos_embed[:, :1], resized.flatten(2).transpose(1, 2)], 1)
