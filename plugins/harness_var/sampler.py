"""Sampling scale after scale."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor

from harness.capabilities import NextScale, Tokens
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness.toolkit.classifier_free import all_null, guided_logits, rows_with_null
from harness_var import VARSamplerConfig
from harness_var.filters import UNGUIDED, guidance_weight, is_guided, surviving


class _Model(NextScale, Tokens, Protocol):
    """The capabilities that the sampler needs of a model."""


class VARSampler:
    """Draws all tokens of a scale at once given the smaller scales; each image draws from its own stream.

    The network is called once for each scale, with twice as many rows where the sampler is guided. Source: Tian et al. 2024.
    """

    def __init__(self, config: VARSamplerConfig) -> None:
        self.config = config

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw images (n, *spec.shape), float32, in [-1, 1]. Raises: UserError for guidance without labels."""
        tokens = self.tokens(model, streams, labels)
        return cast(Tokens, model).decode(tokens).float()

    @torch.no_grad()
    def tokens(self, model: torch.nn.Module, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw tokens (n, L) int64, all scales one after the other."""
        network, n = cast(_Model, model), len(streams)
        rows = self._rows(network, n, streams.device, labels)
        cache = network.new_cache() if self.config.kv_cache else None
        scales: list[Tensor] = []  # the tokens (n, p * p) of each scale that is drawn
        for scale in range(len(network.patch_nums)):
            smaller = [tokens.repeat(len(rows) // n, 1) for tokens in scales]
            logits = self.guided(network.scale_logits(smaller, rows, cache), scale, len(network.patch_nums), n)
            keep = surviving(logits, top_k=self.config.top_k, top_p=self.config.top_p)
            scales.append(streams.categorical(logits.masked_fill(~keep, -torch.inf).softmax(-1)))
        return torch.cat(scales, dim=1)

    def guided(self, logits: Tensor, scale: int, scales: int, n: int) -> Tensor:
        """Return the logits of n images, (n, l, V), from those of n rows, or of the 2n rows of a guided call."""
        if len(logits) == n:
            return logits
        return guided_logits(logits, guidance_weight(self.config, scale, scales))

    def _rows(self, network: NextScale, n: int, device: torch.device, labels: Tensor | None) -> Tensor:
        """Return the labels of the rows that go through the network: one for each image, or two where it is guided."""
        if is_guided(self.config):
            if labels is None:
                raise UserError(
                    f"sampler var: cfg = {self.config.cfg:g} guides by labels, but the data has none; "
                    f"set cfg = {UNGUIDED[self.config.guidance]:g}"
                )
            return rows_with_null(labels, network.null_label)
        return all_null(n, network.null_label, device) if labels is None else labels


def build(config: VARSamplerConfig) -> VARSampler:
    """Make the sampler with its settings."""
    return VARSampler(config)
