"""Small models whose samples and likelihoods are known, for the tests of DDO."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from harness.interfaces import Batch, DataSpec
from harness.streams import SampleStreams
from harness.testing.task import InMemoryTask

SPEC = DataSpec((1,))


class Coin(nn.Module):
    """A biased coin with faces 0 and 1: an exact likelihood, so the draw is None."""

    def __init__(self, heads: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(math.log(heads / (1 - heads)), dtype=torch.float64))

    def draw(self, x: Tensor, generator: torch.Generator) -> None:
        return None

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        return -nn.functional.softplus((1 - 2 * x[:, 0]) * self.logit)


class Noisy(nn.Module):
    """A normal density around a learned point, seen through the noise of the draw."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(1))

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(x.shape, generator=generator)

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        return -(x + draw - self.mean).square().sum(1)


def toss(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    """Heads for the right share of the streams, to rounding: samples without sampling noise."""
    heads = round(model.logit.sigmoid().item() * len(streams))
    return torch.cat([torch.ones(heads, 1), torch.zeros(len(streams) - heads, 1)])


def normal(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    return model.mean.detach() + streams.normal(1)


def noisy_task(steps: int) -> InMemoryTask:
    return InMemoryTask(Noisy(), SPEC, normal, steps=steps, batch=8)


REAL = Batch(torch.linspace(1, 2, 8)[:, None])
