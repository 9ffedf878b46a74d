"""Rollouts and log densities of any model with Gaussian transitions, derived from its `transition`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from harness.capabilities import Gaussian, Transitions


def rollout(model: Transitions, noise: Tensor) -> Tensor:
    """Walk the sampling chain and return all its states: x_(k + 1) = mean(x_k, k) + std(k) * noise_(k + 1).

    Args:
        noise: (T + 1, B, …), standard normal; noise[0] is the first state, and noise[k + 1] drives step k.
    Returns: (T + 1, B, …); the last state is the sample. Differentiable in the weights: wrap the call in `torch.no_grad()`
        where no gradient is needed.
    """
    states = [noise[0]]
    for step in range(model.transitions):
        mean, std = model.transition(states[-1], step)
        states.append(mean + std * noise[step + 1])
    return torch.stack(states)


def rollout_in_parts(model: Transitions, noise: Tensor, micro_batches: Sequence[slice]) -> Tensor:
    """Walk the chain like `rollout`, one micro-batch after the other. It saves memory only without a graph."""
    if len(micro_batches) == 1:
        return rollout(model, noise)
    return torch.cat([rollout(model, noise[:, rows]) for rows in micro_batches], dim=1)


def log_density(point: Tensor, gaussian: Gaussian) -> Tensor:
    """Return the log density of each example in nats, summed over its dimensions: (B, …) -> (B,)."""
    mean, std = gaussian
    std = std.expand_as(mean)
    # ln N(x; m, s^2) = -(x - m)^2 / (2 s^2) - ln s - ln(2 pi) / 2
    terms = -0.5 * ((point - mean) / std) ** 2 - std.log() - 0.5 * math.log(2 * math.pi)
    return terms.flatten(1).sum(1)


def transition_log_prob(model: Transitions, x_next: Tensor, x: Tensor, step: int | Tensor) -> Tensor:
    """Return log p(x_next | x) at a step, (B,), in nats, summed over dimensions; differentiable in the weights.

    Args:
        x_next, x: (B, …), two states that follow each other.
        step: one index for all examples, or (B,) int64.
    """
    return log_density(x_next, model.transition(x, step))
