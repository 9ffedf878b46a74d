"""The VAR transformer: it gives the logits of every token given the smaller scales and a class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_var import VARConfig

CONSTANTS = ("lvl_1L", "attn_bias_for_masking")
"""Buffers of the published state dict that follow from the settings: each position's scale, and the attention mask."""


class Cache:
    """Keys and values of the scales that a batch has been through, a pair for each block.

    `length` is the number of positions that they are of.
    """

    def __init__(self, depth: int) -> None:
        self.length = 0
        self._pairs: list[tuple[Tensor, Tensor] | None] = [None] * depth

    def extend(self, block: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append keys and values (B, H, l, d) to those of a block, and return all of them."""
        held = self._pairs[block]
        if held is not None:
            key, value = torch.cat([held[0], key], dim=2), torch.cat([held[1], value], dim=2)
        self._pairs[block] = (key, value)
        return key, value


class Attention(nn.Module):
    """Multi-head attention. With `l2_norm` queries and keys have unit length, and each head learns the scale of its logits."""

    zero_k_bias: Tensor
    largest_scale = math.log(100)
    """Largest logarithm of a head's scale: above it a softmax of cosines is as good as hard, and has no gradient."""

    def __init__(self, width: int, heads: int, *, l2_norm: bool) -> None:
        super().__init__()
        self.heads, self.l2_norm = heads, l2_norm
        if l2_norm:
            self.scale_mul_1H11 = nn.Parameter(torch.full((1, heads, 1, 1), math.log(4)))
        self.mat_qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
        # A bias of the keys adds the same to all logits of a query, and so changes no softmax: it stays 0.
        self.register_buffer("zero_k_bias", torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor | None, cache: Cache | None, block: int) -> Tensor:
        """(B, l, C) -> (B, l, C). bias: (1, 1, l, l), added to the logits. With a cache, x attends to all positions in it too."""
        qkv = functional.linear(x, self.mat_qkv.weight, torch.cat([self.q_bias, self.zero_k_bias, self.v_bias]))
        query, key, value = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, H, l, d)
        if self.l2_norm:
            gain = self.scale_mul_1H11.clamp(max=self.largest_scale).exp()
            query, key, scale = functional.normalize(query, dim=-1) * gain, functional.normalize(key, dim=-1), 1.0
        else:
            scale = 0.25 / math.sqrt(query.shape[-1])  # a quarter of the usual scale, as in the published training
        if cache is not None:
            key, value = cache.extend(block, key, value)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=scale)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them, in its tanh approximation as published."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) -> (…, C)."""
        return self.fc2(functional.gelu(self.fc1(x), approximate="tanh"))


def from_condition(width: int, outputs: int) -> nn.Sequential:
    """Make a SiLU and a linear layer, whose name in state dicts is `1`."""
    return nn.Sequential(nn.SiLU(), nn.Linear(width, outputs))


class Block(nn.Module):
    """Attention and feed-forward, each scaled, shifted and gated by the class (AdaLN).

    x <- x + gate1 * attention((1 + scale1) * norm(x) + shift1)
    x <- x + gate2 * feed_forward((1 + scale2) * norm(x) + shift2)
    """

    def __init__(self, config: VARConfig) -> None:
        super().__init__()
        width = config.embed_dim
        self.attn = Attention(width, config.num_heads, l2_norm=config.attn_l2_norm)
        self.ffn = FeedForward(width, round(width * config.mlp_ratio))
        self.norm = nn.LayerNorm(width, eps=config.norm_eps, elementwise_affine=False)
        if config.shared_aln:
            self.ada_gss = nn.Parameter(torch.zeros(1, 1, 6, width))
        else:
            self.ada_lin = from_condition(width, 6 * width)

    def modulation(self, condition: Tensor, shared: Tensor | None) -> tuple[Tensor, ...]:
        """Return gates, scales and shifts, two of each, (B, 1, C). condition: (B, C); shared: (B, 1, 6, C) or None."""
        six = self.ada_lin(condition).unflatten(-1, (1, 6, -1)) if shared is None else shared + self.ada_gss
        return six.unbind(2)

    def forward(
        self,
        x: Tensor,
        six: tuple[Tensor, ...],
        bias: Tensor | None,
        cache: Cache | None,
        block: int,
        keep: Tensor | None,
    ) -> Tensor:
        """(B, l, C) -> (B, l, C). keep: (B, 2), factors of the two branches, or None for factors of 1."""
        gate1, gate2, scale1, scale2, shift1, shift2 = six
        if keep is not None:
            gate1, gate2 = gate1 * keep[:, 0, None, None], gate2 * keep[:, 1, None, None]
        x = x + gate1 * self.attn((1 + scale1) * self.norm(x) + shift1, bias, cache, block)
        return x + gate2 * self.ffn((1 + scale2) * self.norm(x) + shift2)


class Head(nn.Module):
    """The last layer norm, scaled and shifted by the class."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=eps, elementwise_affine=False)
        self.ada_lin = from_condition(width, 2 * width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, l, C) -> (B, l, C). condition: (B, C)."""
        scale, shift = self.ada_lin(condition).unsqueeze(1).chunk(2, dim=-1)
        return (1 + scale) * self.norm(x) + shift


class VARTransformer(nn.Module):
    """A transformer over the tokens of all scales, in which a position attends to its own scale and the smaller ones.

    The tokens of a scale are predicted all at once from the smaller scales, so none of them is an input of its own scale.

    Args:
        config: sizes and scales. classes: number N of labels; label N is the null class.
        vocab_size, z_channels: number of the tokenizer's codes, and channels of its latents.
        constants: whether the state dict has the tables of `CONSTANTS`, as published files do.
    Source: Tian et al. 2024, Section 3.2.
    """

    lvl_1L: Tensor
    attn_bias_for_masking: Tensor

    def __init__(self, config: VARConfig, classes: int, vocab_size: int, z_channels: int, *, constants: bool = True) -> None:
        super().__init__()
        width, lengths = config.embed_dim, [side**2 for side in config.patch_nums]
        self.config, self.classes, self.vocab_size = config, classes, vocab_size
        self.lengths = tuple(lengths)
        self.word_embed = nn.Linear(z_channels, width)
        self.class_emb = nn.Embedding(classes + 1, width)
        self.pos_start = nn.Parameter(torch.zeros(1, lengths[0], width))
        self.pos_1LC = nn.Parameter(torch.zeros(1, sum(lengths), width))
        self.lvl_embed = nn.Embedding(len(lengths), width)
        level = torch.cat([torch.full((length,), index) for index, length in enumerate(lengths)])[None]
        self.register_buffer("lvl_1L", level, persistent=constants)
        is_later = level[:, :, None] < level[:, None, :]  # (1, query, key): the key's scale is larger than the query's
        # where() and not masked_fill: it also runs on the meta device.
        bias = torch.where(is_later, -torch.inf, 0.0)[:, None]
        self.register_buffer("attn_bias_for_masking", bias, persistent=constants)
        self.shared_ada_lin = from_condition(width, 6 * width) if config.shared_aln else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.head_nm, self.head = Head(width, config.norm_eps), nn.Linear(width, vocab_size)
        if not self.head.weight.is_meta:
            initialise(self)

    def forward(self, x: Tensor, labels: Tensor, *, cache: Cache | None = None, keep: Tensor | None = None) -> Tensor:
        """Return the logits of all positions of the given scales.

        Args:
            x: input positions of whole scales, (B, l, Cv): for each scale, the sum of the smaller scales' latents at its size.
                Without a cache: scales 1, 2, … up to any scale. With a cache: the next scale alone. The first scale, number
                0, has no smaller one: its positions are put in front by this method, and l counts none of them.
            labels: (B,) int64 in [0, N], N being the null class.
            keep: (B, depth, 2), factors of the residual branches (stochastic depth in training).
        Returns: (B, l, V), or (B, p_0² + l, V) where the first scale is among them, in the weights' type.
        Raises: ValueError for an l that does not end with a scale.
        """
        condition = self.class_emb(labels)
        start = 0 if cache is None else cache.length
        h = self._embed(x, condition, start)
        stop = start + h.shape[1]
        if stop not in accumulate(self.lengths):
            raise ValueError(f"positions {start} to {stop} do not end with a scale; scales have {self.lengths} tokens")
        # With a cache, a whole scale attends to all that the cache holds and to itself: there is nothing to mask.
        bias = self.attn_bias_for_masking[:, :, :stop, :stop] if cache is None else None
        shared = None if self.shared_ada_lin is None else self.shared_ada_lin(condition).unflatten(-1, (1, 6, -1))
        for index, block in enumerate(cast(Iterable[Block], self.blocks)):
            six = block.modulation(condition, shared)
            h = block(h, six, bias, cache, index, None if keep is None else keep[:, index])
        if cache is not None:
            cache.length = stop
        return self.head(self.head_nm(h, condition))

    def _embed(self, x: Tensor, condition: Tensor, start: int) -> Tensor:
        parts = [self.word_embed(x)]
        if start == 0:
            parts.insert(0, condition[:, None] + self.pos_start)
        h = torch.cat(parts, dim=1)
        stop = start + h.shape[1]
        return h + self.lvl_embed(self.lvl_1L[:, start:stop]) + self.pos_1LC[:, start:stop]


@torch.no_grad()
def initialise(network: VARTransformer, *, head: float = 0.02, modulation: float = 0.5, gate: float = 1e-3) -> None:
    """Draw the weights that pretraining starts from.

    Args:
        head, modulation, gate: factors of the weights of the head, of scales and shifts, and of gates. Gates are small so that
            each block starts near the identity.
    Source: Tian et al. 2024, the published training settings.
    """
    std = math.sqrt(1 / network.config.embed_dim / 3)
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.trunc_normal_(module.weight, std=std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    for parameter in (network.pos_start, network.pos_1LC):
        nn.init.trunc_normal_(parameter, std=std)
    network.head.weight *= head
    cast(nn.Linear, network.head_nm.ada_lin[1]).weight *= modulation
    for six in _modulations(network):
        six[:2] *= gate
        six[2:] *= modulation
    for block in cast(Iterable[Block], network.blocks):
        for last in (block.attn.proj, block.ffn.fc2):
            last.weight /= math.sqrt(2 * network.config.depth)


def _modulations(network: VARTransformer) -> Iterator[Tensor]:
    """Yield for each block a view (6, …) of the weights that its gates, scales and shifts come from.

    A layer that all blocks share keeps its weights: with `shared_aln` the views are of the blocks' own additions to it.
    """
    for block in cast(Iterable[Block], network.blocks):
        if network.config.shared_aln:
            block.ada_gss.normal_(std=network.config.embed_dim**-0.5)
            yield block.ada_gss[0, 0]
        else:
            yield cast(nn.Linear, block.ada_lin[1]).weight.unflatten(0, (6, -1))
