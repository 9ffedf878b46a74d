"""Sampling scale after scale."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor

from harness.capabilities import NextScale, Tokens
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness_var import VARSamplerConfig
from harness_var.filters import guidance_weight, is_guided, kept


class _Model(NextScale, Tokens, Protocol):
    """What the sampler needs."""


class VARSampler:
    """Draws all tokens of a scale at once given the smaller scales; each image from its own stream.

    The network is called once a scale, for twice as many rows where it is guided. Source: Tian et al. 2024.
    """

    def __init__(self, config: VARSamplerConfig) -> None:
        self.config = config

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape), float32, in [-1, 1]. Raises: UserError for guidance without labels."""
        tokens = self.tokens(model, streams, labels)
        return cast(Tokens, model).decode(tokens).float()

    @torch.no_grad()
    def tokens(self, model: torch.nn.Module, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, L) int64, all scales one after the other."""
        network, n = cast(_Model, model), len(streams)
        rows = self._rows(network, n, streams.device, labels)
        cache = network.new_cache() if self.config.kv_cache else None
        drawn: list[Tensor] = []
        for _ in network.patch_nums:
            smaller = [tokens.repeat(len(rows) // n, 1) for tokens in drawn]
            logits = self.guided(network.scale_logits(smaller, rows, cache), len(drawn), len(network.patch_nums), n)
            keep = kept(logits, top_k=self.config.top_k, top_p=self.config.top_p)
            drawn.append(streams.categorical(logits.masked_fill(~keep, -torch.inf).softmax(-1)))
        return torch.cat(drawn, dim=1)

    def guided(self, logits: Tensor, scale: int, scales: int, n: int) -> Tensor:
        """(n or 2n, l, V) -> (n, l, V). Of 2n rows, the first n have the label, the others none."""
        if len(logits) == n:
            return logits
        weight = guidance_weight(self.config, scale, scales)
        return (1 + weight) * logits[:n] - weight * logits[n:]

    def _rows(self, network: NextScale, n: int, device: torch.device, labels: Tensor | None) -> Tensor:
        """Labels of the rows that go through the network: one an image, or the labels and then as many null classes."""
        null = torch.full((n,), network.null_label, device=device)
        if not is_guided(self.config):
            return null if labels is None else labels
        if labels is None:
            raise UserError(
                f"sampler var: cfg = {self.config.cfg:g} guides by labels, but the data has none; "
                f"set cfg = {1 if self.config.guidance == 'scale' else 0}"
            )
        return torch.cat([labels, null])


def build(config: VARSamplerConfig) -> VARSampler:
    """The sampler with its settings."""
    return VARSampler(config)
