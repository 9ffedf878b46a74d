"""The raw network inside the preconditioning: a multilayer perceptron that knows the noise level."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class NoiseEmbedding(nn.Module):
    """Sines and cosines of ln(sigma) / 4 at fixed frequencies, spaced geometrically.

    Args:
        size: number of features, even.
        low, high: smallest and largest frequency, in radians a unit of ln(sigma) / 4, which spans about [-1.6, 1.1]:
            the lowest frequency is monotonic over it, the highest tells levels apart that differ by a factor 1.3.
    """

    def __init__(self, size: int, *, low: float = 0.5, high: float = 16.0) -> None:
        super().__init__()
        frequencies = low * (high / low) ** torch.linspace(0, 1, size // 2)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, c_noise: Tensor) -> Tensor:
        """(…,) -> (…, size)."""
        angles = c_noise.unsqueeze(-1) * self.get_buffer("frequencies")
        return torch.cat([angles.cos(), angles.sin()], dim=-1)


class NoiseConditionedMLP(nn.Module):
    """Hidden layers SiLU(W h + b + V embedding), each with its own look at the noise level.

    Args:
        shape: shape of one example; it is flattened.
        width: hidden units. depth: hidden layers.
    """

    def __init__(self, shape: tuple[int, ...], width: int, depth: int, *, embedding: int = 32) -> None:
        super().__init__()
        size = math.prod(shape)
        self.embedding = NoiseEmbedding(embedding)
        self.layers = nn.ModuleList(nn.Linear(size if index == 0 else width, width) for index in range(depth))
        self.levels = nn.ModuleList(nn.Linear(embedding, width, bias=False) for _ in range(depth))
        self.out = nn.Linear(width, size)

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        """x: (B, …); c_noise: (B,), or 0-dim for one level, whose features are then computed once. Returns: (B, …)."""
        features = self.embedding(c_noise)
        hidden = x.flatten(1)
        for layer, level in zip(self.layers, self.levels, strict=True):
            hidden = functional.silu(layer(hidden) + level(features))
        out: Tensor = self.out(hidden)
        return out.view_as(x)
