"""Ancestral sampling: the model's own chain of Gaussian steps from noise to data."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from harness import Config
from harness.capabilities import Transitions
from harness.interfaces import DataSpec
from harness.streams import SampleStreams


class Ancestral:
    """Walk the chain once: x <- mean(x) + std z with fresh noise z, in each of T steps. Source: Ho et al. 2020, Algorithm 2.

    The paper adds no noise at the last step. Here the last step has the noise that the model's chain gives it, so that
    samples come from the very chain whose transitions have log densities.
    """

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape). The network is called T times."""
        chain = cast(Transitions, model)
        noise = streams.normal(chain.transitions + 1, *spec.shape)
        x = noise[:, 0]
        for step in range(chain.transitions):
            mean, std = chain.transition(x, step)
            x = mean + std * noise[:, step + 1]
        return x


def build(config: Config) -> Ancestral:  # noqa: ARG001 - nothing to set
    """Build the sampler, which has no settings."""
    return Ancestral()
