"""The second generation's transformer (Halton-MaskGIT): the class scales, shifts and gates every block."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_maskgit import MaskGITConfig

EPSILON = 1e-5


class RMSNorm(nn.Module):
    """x / sqrt(mean x² + 1e-5) * weight, plus a bias if `bias`."""

    def __init__(self, width: int, *, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        normed = unit(x) * self.weight
        return normed if self.bias is None else normed + self.bias


def unit(x: Tensor) -> Tensor:
    """Return x over its root mean square along the last axis, with `EPSILON` under the root."""
    return x * (x.square().mean(-1, keepdim=True) + EPSILON).rsqrt()


def from_condition(width: int, outputs: int) -> nn.Sequential:
    """Make a SiLU and a linear layer, whose name in state dicts is `1`."""
    return nn.Sequential(nn.SiLU(), nn.Linear(width, outputs))


class Attention(nn.Module):
    """Multi-head attention whose queries and keys are normalised over the full width, before it is cut into heads."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """(B, l, D) -> (B, l, D)."""
        projected = (unit(self.wq(x)), unit(self.wk(x)), self.wv(x))
        query, key, value = (vectors.unflatten(-1, (self.heads, -1)).transpose(1, 2) for vectors in projected)
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return self.wo(mixed.transpose(1, 2).flatten(2))


class GatedFeedForward(nn.Module):
    """w2(SiLU(w1 x) * w3 x), with three matrices in the place of two.

    Its hidden units are two thirds of `mlp_dim`, so that the number of weights stays, rounded up to a multiple of 256.
    """

    def __init__(self, width: int, mlp_dim: int, dropout: float) -> None:
        super().__init__()
        hidden = math.ceil((2 * mlp_dim // 3) / 256) * 256
        self.w1, self.w3 = nn.Linear(width, hidden, bias=False), nn.Linear(width, hidden, bias=False)
        self.w2, self.dropout = nn.Linear(hidden, width, bias=False), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, D)."""
        return self.w2(self.dropout(functional.silu(self.w1(x)) * self.w3(x)))


class Block(nn.Module):
    """Attention and feed-forward, each shifted, scaled and gated by the class (AdaLN).

    x <- x + gate1 * attention((1 + scale1) * norm(x) + shift1)
    x <- x + gate2 * feed_forward((1 + scale2) * norm(x) + shift2)
    """

    def __init__(self, config: MaskGITConfig) -> None:
        super().__init__()
        width = config.hidden_dim
        self.mlp = from_condition(width, 6 * width)
        self.ln1, self.attn = RMSNorm(width), Attention(width, config.heads, config.dropout)
        self.ln2, self.ff = RMSNorm(width), GatedFeedForward(width, config.mlp_dim, config.dropout)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, l, D) -> (B, l, D). condition: (B, D)."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.mlp(condition).unsqueeze(1).chunk(6, dim=-1)
        x = x + gate1 * self.attn((1 + scale1) * self.ln1(x) + shift1)
        return x + gate2 * self.ff((1 + scale2) * self.ln2(x) + shift2)


class Transformer(nn.Module):
    """The blocks, by their published names."""

    def __init__(self, config: MaskGITConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(config.depth))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, l, D) -> (B, l, D). condition: (B, D)."""
        for layer in self.layers:
            x = layer(x, condition)
        return x


class LastNorm(nn.Module):
    """The last norm, shifted and scaled by the class."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_final = RMSNorm(width, bias=True)
        self.mlp = from_condition(width, 2 * width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, l, D) -> (B, l, D). condition: (B, D)."""
        shift, scale = self.mlp(condition).unsqueeze(1).chunk(2, dim=-1)
        return (1 + scale) * self.norm_final(x) + shift


class MaskGITv2(nn.Module):
    """A transformer that predicts every token from the tokens that are not masked and a class.

    Args: config: sizes. classes: number N of labels; label N is the null class.
    Source: Besnier et al. 2025 (Halton-MaskGIT).
    """

    def __init__(self, config: MaskGITConfig, classes: int) -> None:
        super().__init__()
        width, codes = config.hidden_dim, config.tokenizer.codebook_size
        self.config, self.classes, self.codes = config, classes, codes
        self.cls_emb, self.tok_emb = nn.Embedding(classes + 1, width), nn.Embedding(codes + 1, width)
        self.pos_emb = nn.Embedding(config.input_size**2, width)
        if config.registers:
            self.reg_tokens = nn.Embedding(config.registers, width)
        self.transformer, self.last_norm = Transformer(config), LastNorm(width)
        self.head = nn.Linear(width, codes + 1)
        self.head.weight = self.tok_emb.weight
        self._initialise()

    def forward(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Return the logits of all positions, (B, L, K + 1). tokens: (B, L), K where masked. labels: (B,), N for no class."""
        condition = self.cls_emb(labels)
        x = self.tok_emb(tokens) + self.pos_emb.weight
        if self.config.registers:
            x = torch.cat([x, self.reg_tokens.weight.expand(len(x), -1, -1)], dim=1)
        x = self.transformer(x, condition)[:, : tokens.shape[1]]
        return self.head(self.last_norm(x, condition))

    def _initialise(self) -> None:
        """Draw the weights: Xavier's uniform for linear layers, normal with deviation 0.02 for embeddings, 0 for biases.

        The layers that give shifts, scales and gates of blocks are 0: with gates of 0, blocks start as the identity.
        """
        if self.head.weight.is_meta:
            return
        for name, module in self.named_modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            elif isinstance(module, nn.Linear):
                if module is not self.head:  # the head's weight is the tokens' embedding
                    nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            if name.startswith("transformer") and name.endswith("mlp.1"):
                nn.init.zeros_(module.weight)
