"""The raw network inside the preconditioning: a multilayer perceptron that is given the noise level."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class NoiseEmbedding(nn.Module):
    """Cosines, then sines, of f c_noise with c_noise = ln(sigma) / 4 and fixed frequencies f that are spaced geometrically.

    Args:
        size: number of features, even.
        low, high: smallest and largest frequency, in radians a unit of c_noise. Over the range of c_noise, about [-1.6, 1.1],
            the sine of the smallest frequency is monotonic, and the largest frequency tells levels apart that differ by a
            factor of 1.3.
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
    """Hidden layers h -> SiLU(W h + b + V e), each of which is given the embedding e of the noise level, and a linear layer.

    Args:
        shape: shape of one example, which the network flattens.
        width: units of a hidden layer.
        depth: number of hidden layers.
        embedding: number of features of the noise level.
    """

    def __init__(self, shape: tuple[int, ...], width: int, depth: int, *, embedding: int = 32) -> None:
        super().__init__()
        size = math.prod(shape)
        self.embedding = NoiseEmbedding(embedding)
        self.layers = nn.ModuleList(nn.Linear(size if index == 0 else width, width) for index in range(depth))
        self.levels = nn.ModuleList(nn.Linear(embedding, width, bias=False) for _ in range(depth))
        self.out = nn.Linear(width, size)

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        """Run the network F on scaled points x (B, …). Returns: (B, …).

        c_noise: ln(sigma) / 4, (B,), or 0-dim for one level, whose features are then computed once.
        """
        features = self.embedding(c_noise)
        hidden = x.flatten(1)
        for layer, level in zip(self.layers, self.levels, strict=True):
            hidden = functional.silu(layer(hidden) + level(features))
        out: Tensor = self.out(hidden)
        return out.view_as(x)
