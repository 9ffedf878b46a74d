"""Ancestral sampling: the model's chain from noise to data."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from harness import Config
from harness.capabilities import Transitions
from harness.interfaces import DataSpec
from harness.streams import SampleStreams


class Ancestral:
    """Walks the chain once for each stream; the network is called T times."""

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape), the chain's last states."""
        chain = cast(Transitions, model)
        noise = streams.normal(chain.transitions + 1, *spec.shape)
        x = noise[:, 0]
        for step in range(chain.transitions):
            mean, std = chain.transition(x, step)
            x = mean + std * noise[:, step + 1]
        return x


def build(config: Config) -> Ancestral:  # noqa: ARG001 - nothing to set
    """The sampler; it has no settings."""
    return Ancestral()
