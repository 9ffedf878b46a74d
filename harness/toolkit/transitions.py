"""What every model with Gaussian transitions can do, derived from its `transition`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from harness.capabilities import Gaussian, Transitions


def rollout(model: Transitions, noise: Tensor) -> Tensor:
    """All states of the sampling chain.

    Args:
        noise: (T + 1, B, …), standard normal; noise[0] is the first state, noise[k + 1] drives step k.
    Returns: (T + 1, B, …), differentiable in the weights (wrap in `torch.no_grad()` otherwise); the last is the sample.
    """
    states = [noise[0]]
    for step in range(model.transitions):
        mean, std = model.transition(states[-1], step)
        states.append(mean + std * noise[step + 1])
    return torch.stack(states)


def rollout_in_parts(model: Transitions, noise: Tensor, parts: Sequence[slice]) -> Tensor:
    """As `rollout`, with the examples in parts, one after the other; for use without a graph."""
    if len(parts) == 1:
        return rollout(model, noise)
    return torch.cat([rollout(model, noise[:, part]) for part in parts], dim=1)


def log_density(point: Tensor, gaussian: Gaussian) -> Tensor:
    """Log density of each example, nats, summed over its dimensions. point: (B, …) -> (B,)."""
    mean, std = gaussian
    std = std.expand_as(mean)
    terms = -0.5 * ((point - mean) / std) ** 2 - std.log() - 0.5 * math.log(2 * math.pi)
    return terms.flatten(1).sum(1)


def transition_log_prob(model: Transitions, x_next: Tensor, x: Tensor, step: int | Tensor) -> Tensor:
    """log p(x_next | x) at a step, (B,), nats, summed over dimensions, differentiable in the weights."""
    return log_density(x_next, model.transition(x, step))
