"""The VAR transformer: logits of every token given the smaller scales and a class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_var import VARConfig


class Cache:
    """Keys and values of the scales that a batch has been through, one pair a block.

    `length` is the number of positions in it.
    """

    def __init__(self, depth: int) -> None:
        self.length = 0
        self._pairs: list[tuple[Tensor, Tensor] | None] = [None] * depth

    def extend(self, block: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append (B, H, l, d) to a block's keys and values, and give all of them."""
        held = self._pairs[block]
        if held is not None:
            key, value = torch.cat([held[0], key], dim=2), torch.cat([held[1], value], dim=2)
        self._pairs[block] = (key, value)
        return key, value


class Attention(nn.Module):
    """Multi-head attention, with queries and keys of unit length where `l2_norm`."""

    zero_k_bias: Tensor
    largest_scale = math.log(100)

    def __init__(self, width: int, heads: int, *, l2_norm: bool) -> None:
        super().__init__()
        self.heads, self.l2_norm = heads, l2_norm
        if l2_norm:
            self.scale_mul_1H11 = nn.Parameter(torch.full((1, heads, 1, 1), math.log(4)))
        self.mat_qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("zero_k_bias", torch.zeros(width))  # a bias of the keys changes no softmax
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor | None, cache: Cache | None, block: int) -> Tensor:
        """x: (B, l, C); bias: (1, 1, l, l), added to the logits; with a cache, x also attends to all in it."""
        qkv = functional.linear(x, self.mat_qkv.weight, torch.cat([self.q_bias, self.zero_k_bias, self.v_bias]))
        query, key, value = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, H, l, d)
        if self.l2_norm:
            gain = self.scale_mul_1H11.clamp(max=self.largest_scale).exp()
            query, key, scale = functional.normalize(query, dim=-1) * gain, functional.normalize(key, dim=-1), 1.0
        else:
            scale = 0.25 / math.sqrt(query.shape[-1])  # a quarter of the usual scale, as trained
        if cache is not None:
            key, value = cache.extend(block, key, value)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=scale)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two layers with a GELU (tanh approximation) between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(…, C) -> (…, C)."""
        return self.fc2(functional.gelu(self.fc1(x), approximate="tanh"))


def from_condition(width: int, outputs: int) -> nn.Sequential:
    """SiLU and a linear layer; the layer is called `1`."""
    return nn.Sequential(nn.SiLU(), nn.Linear(width, outputs))


class Block(nn.Module):
    """Attention and feed-forward, each scaled, shifted and gated by the class."""

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
        """Gates, scales and shifts, two of each, (B, 1, C). condition: (B, C); shared: (B, 1, 6, C) or None."""
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
        """(B, l, C) -> (B, l, C). keep: (B, 2), factors of the two branches, or None for ones."""
        gate1, gate2, scale1, scale2, shift1, shift2 = six
        if keep is not None:
            gate1, gate2 = gate1 * keep[:, 0, None, None], gate2 * keep[:, 1, None, None]
        x = x + gate1 * self.attn((1 + scale1) * self.norm(x) + shift1, bias, cache, block)
        return x + gate2 * self.ffn((1 + scale2) * self.norm(x) + shift2)


class Head(nn.Module):
    """The last norm, scaled and shifted by the class."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=eps, elementwise_affine=False)
        self.ada_lin = from_condition(width, 2 * width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x: (B, l, C), condition: (B, C). Returns: (B, l, C)."""
        scale, shift = self.ada_lin(condition).unsqueeze(1).chunk(2, dim=-1)
        return (1 + scale) * self.norm(x) + shift


class VARTransformer(nn.Module):
    """Attends fully inside a scale and causally between scales.

    Args:
        config: sizes and scales. classes: number N of labels; label N is the null class.
        vocab_size, z_channels: codes of the tokenizer, and channels of its latents.
        constants: whether the state dict has the attention mask and the levels, as published files do.
    Source: Tian et al. 2024.
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
        later = level[:, :, None] < level[:, None, :]
        # where() and not masked_fill: it also runs on the meta device.
        bias = torch.where(later, -torch.inf, 0.0)[:, None]
        self.register_buffer("attn_bias_for_masking", bias, persistent=constants)
        self.shared_ada_lin = from_condition(width, 6 * width) if config.shared_aln else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.head_nm, self.head = Head(width, config.norm_eps), nn.Linear(width, vocab_size)
        if not self.head.weight.is_meta:
            initialise(self)

    def forward(self, x: Tensor, labels: Tensor, *, cache: Cache | None = None, keep: Tensor | None = None) -> Tensor:
        """Logits of the positions that go in.

        Args:
            x: what the tokenizer has of the smaller scales, (B, l, Cv). Without a cache: from scale 1 on, for any
                number of whole scales, and the first scale's positions come in front by themselves; l may be 0. With a
                cache: the positions of the next scale alone, l = 0 for the first one.
            labels: (B,) int64 in [0, N], N being the null class.
            keep: (B, depth, 2), factors of the residual branches (stochastic depth in training).
        Returns: (B, l, V), with first-scale positions l + p_0^2, in the weights' type.
        Raises: ValueError for an l that does not end with a scale.
        """
        condition = self.class_emb(labels)
        start = 0 if cache is None else cache.length
        h = self._embed(x, condition, start)
        stop = start + h.shape[1]
        if stop not in accumulate(self.lengths):
            raise ValueError(f"positions {start} to {stop} do not end with a scale; scales have {self.lengths} tokens")
        # A whole scale sees all that is in the cache and itself: there is nothing to mask.
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
    """Draw the weights for pretraining.

    Args:
        head, modulation, gate: factors of the head, of scales and shifts, and of gates; these are small so that each
            block starts near the identity.
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
    """Views (6, …) of what gates, scales and shifts come from; rows of a shared layer keep their size."""
    for block in cast(Iterable[Block], network.blocks):
        if network.config.shared_aln:
            block.ada_gss.normal_(std=network.config.embed_dim**-0.5)
            yield block.ada_gss[0, 0]
        else:
            yield cast(nn.Linear, block.ada_lin[1]).weight.unflatten(0, (6, -1))
