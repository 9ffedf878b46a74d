"""The first generation's transformer: BERT-like, with a class token at the end."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_maskgit import MaskGITConfig


class PackedAttention(nn.Module):
    """Multi-head attention, with one weight for queries, keys and values as published."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, l, D) -> (B, l, D)."""
        qkv = functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        query, key, value = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class Attention(nn.Module):
    """Holds the attention under its published name."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.mha = PackedAttention(width, heads, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, l, D) -> (B, l, D)."""
        return self.mha(x)


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        first, last = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.net = nn.Sequential(first, nn.GELU(), nn.Dropout(dropout), last, nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        return self.net(x)


class PreNorm(nn.Module):
    """x + fn(norm(x))."""

    def __init__(self, width: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(width), fn

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        return x + self.fn(self.norm(x))


class Transformer(nn.Module):
    """Layers of attention and feed-forward, by their published names."""

    def __init__(self, config: MaskGITConfig) -> None:
        super().__init__()
        width, dropout = config.hidden_dim, config.dropout
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    PreNorm(width, Attention(width, config.heads, dropout)),
                    PreNorm(width, FeedForward(width, config.mlp_dim, dropout)),
                ]
            )
            for _ in range(config.depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, l, D) -> (B, l, D)."""
        for layer in self.layers:
            for part in cast(nn.ModuleList, layer):
                x = part(x)
        return x


def wide_norm(width: int) -> nn.LayerNorm:
    """Make a layer norm of the first and last layers, whose epsilon is smaller than that of the transformer's."""
    return nn.LayerNorm(width, eps=1e-12)


class MaskGITv1(nn.Module):
    """A transformer that predicts every token from the tokens that are not masked and a class token.

    Args: config: sizes. classes: number N of labels; label N is the null class.
    Source: valeoai's first reproduction of Chang et al. 2022.
    """

    def __init__(self, config: MaskGITConfig, classes: int) -> None:
        super().__init__()
        width, positions, codes = config.hidden_dim, config.input_size**2 + 1, config.tokenizer.codebook_size
        self.config, self.classes, self.codes = config, classes, codes
        rows = codes + 1 + classes + 1  # codes, the mask token, classes, no class
        self.tok_emb = nn.Embedding(rows, width)
        self.pos_emb = nn.Parameter(torch.zeros(1, positions, width))
        # One bias for each position and row, as published: even for the class token's position and for the rows of classes.
        self.bias = nn.Parameter(torch.zeros(positions, rows))
        dropout = config.dropout
        self.first_layer = nn.Sequential(
            wide_norm(width), nn.Dropout(dropout), nn.Linear(width, width), nn.GELU(),
            wide_norm(width), nn.Dropout(dropout), nn.Linear(width, width),
        )  # fmt: skip
        self.transformer = Transformer(config)
        self.last_layer = nn.Sequential(
            wide_norm(width), nn.Dropout(dropout), nn.Linear(width, width), nn.GELU(), wide_norm(width)
        )
        self._initialise()

    def forward(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Return the logits of all positions, (B, L, K + 1). tokens: (B, L), K where masked. labels: (B,), N for no class."""
        row = labels[:, None] + self.codes + 1
        x = self.tok_emb(torch.cat([tokens, row], dim=1)) + self.pos_emb
        h = self.last_layer(self.transformer(self.first_layer(x)))
        wanted = self.codes + 1
        return h[:, :-1] @ self.tok_emb.weight[:wanted].T + self.bias[:-1, :wanted]

    def _initialise(self) -> None:
        """Draw the weights as BERT does: normal with standard deviation 0.02, cut at two deviations; biases are 0."""
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1 and name != "bias" and not parameter.is_meta:
                nn.init.trunc_normal_(parameter, std=0.02, a=-0.04, b=0.04)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
