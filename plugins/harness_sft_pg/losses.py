"""The critic's and the value network's objectives, with the gradients that make one backward pass of each enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from harness_sft_pg.networks import ValueNetwork

STEPS_AT_ONCE = 16
"""Sampler steps a pass of the value network: bounds its memory for long chains, and is past where larger is faster."""


def backward_critic_and_value(
    critic: nn.Module, value: ValueNetwork, real: Tensor, states: Tensor, *, weight: float, couple: bool
) -> Mapping[str, Tensor]:
    """Add to both networks' gradients those of  mean f(real) - mean f(fake) + weight * R_B,

    with R_B = sum over steps k of mean (f(sample) - V(x_k, k))^2.

    Everything in it is linear or quadratic in f and V, so its derivatives with respect to their outputs are written
    down: f is evaluated once, and no graph spans the two networks.

    Args:
        real: (B, …) data. states: (T + 1, B, …), a rollout without a graph; its last row are the fakes.
        couple: whether R_B also reaches the critic, as a regulariser; else it fits the value network only.
    Returns: `critic_gap`, mean f(fake) - mean f(real), and `value_loss`, R_B / T.
    """
    n_fake, n_real = states.shape[1], len(real)
    scores = critic(torch.cat([states[-1], real]))
    target = scores.detach()[:n_fake]
    d_target, squares = _backward_value(value, states[:-1], target, weight)
    d_scores = torch.cat([torch.full_like(target, -1 / n_fake), scores.new_full((n_real, 1), 1 / n_real)])
    if couple:
        d_scores[:n_fake] += d_target
    scores.backward(d_scores)
    gap = target.mean() - scores.detach()[n_fake:].mean()
    return {"critic_gap": gap, "value_loss": squares / (n_fake * (len(states) - 1))}


def _backward_value(value: ValueNetwork, states: Tensor, target: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Gradients of weight * R_B: the value network's are added to its parameters, the target's (B, 1) returned.

    Also returns the sum of the squared errors, 0-dim.
    """
    scale = 2 * weight / len(target)
    d_target, squares = torch.zeros_like(target), target.new_zeros(())
    for start in range(0, len(states), STEPS_AT_ONCE):
        steps = slice(start, start + STEPS_AT_ONCE)
        predicted = value.each(states[steps], steps)
        error = predicted.detach() - target  # (K, B, 1)
        predicted.backward(scale * error)
        d_target -= scale * error.sum(0)
        squares += error.square().sum()
    return d_target, squares


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """Mean of (|grad f| - 1)^2 at random points between real and generated examples, 0-dim, differentiable.

    Source: Gulrajani et al. 2017, Eq. 3.
    """
    share = torch.rand(len(real), *[1] * (real.dim() - 1), generator=generator).to(real.device)
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Gradients pass through the module to its input, and its parameters get none."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)
