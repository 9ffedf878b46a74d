"""The objectives of the critic and the value network.

The critic f and the value network V maximise E f(sample) - E f(real) - lambda R_B together, where

    R_B = sum over the steps k of E (f(sample) - V(x_k, k))².

V estimates the critic's value of the sample that a state leads to. R_B fits V. As a term of the critic's objective, R_B also
keeps f predictable from the chain's states, which makes f smooth. Source: arXiv 2301.13362, Section 4 and Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from harness_sft_pg.networks import ValueNetwork

STEPS_AT_ONCE = 16
"""Sampler steps in one pass of the value network: it bounds the memory of long chains, and more would be no faster."""


def backward_critic_and_value(
    critic: nn.Module,
    value: ValueNetwork,
    real: Tensor,
    states: Tensor,
    *,
    fakes: Tensor | None = None,
    weight: float,
    couple: bool,
) -> Mapping[str, Tensor]:
    """Add to both networks' gradients those of the loss  mean f(real) - mean f(fake) + weight * R_B.

    The loss is linear or quadratic in the outputs f and V, so its derivatives with respect to them can be written down:

        dL/df(real_i) = 1 / n_real
        dL/df(fake_i) = -1 / n_fake + (2 weight / n_fake) sum over k of (f(fake_i) - V(x_ki, k))
        dL/dV(x_ki, k) = (2 weight / n_fake) (V(x_ki, k) - f(fake_i))

    Each network is then followed backwards once from its own outputs: f is evaluated once for all T steps, and no graph spans
    the two networks.

    Args:
        real: (B, …), data. states: (T + 1, B, …), a rollout without a graph.
        fakes: (B, …), its last row as the critic sees it; by default as it is.
        weight: lambda. couple: True passes R_B's gradient to the critic, as a regulariser; False fits only V by it. At lambda 0
            V is fitted as at 1, since it is subtracted from f: a baseline that stays at its initial weights would be noise.
    Returns: `critic_gap`, mean f(fake) - mean f(real), and `value_loss`, R_B / T: the mean squared error of V.
    """
    n_fake, n_real = states.shape[1], len(real)
    scores = critic(torch.cat([states[-1] if fakes is None else fakes, real]))
    target = scores.detach()[:n_fake]
    d_target, squares = _backward_value(value, states[:-1], target, weight)
    d_scores = torch.cat([torch.full_like(target, -1 / n_fake), scores.new_full((n_real, 1), 1 / n_real)])
    if couple:
        d_scores[:n_fake] += d_target
    scores.backward(d_scores)
    gap = target.mean() - scores.detach()[n_fake:].mean()
    return {"critic_gap": gap, "value_loss": squares / (n_fake * (len(states) - 1))}


def _backward_value(value: ValueNetwork, states: Tensor, target: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Add the gradients of weight * R_B to the value network's parameters, and those of R_B at weight 0.

    Returns: the derivative of weight * R_B with respect to the target f(fake), (B, 1), and the sum of the squared errors, 0-dim.
    """
    scale, fit = 2 * weight / len(target), 2 * (weight or 1.0) / len(target)
    d_target, squares = torch.zeros_like(target), target.new_zeros(())
    for start in range(0, len(states), STEPS_AT_ONCE):
        steps = slice(start, start + STEPS_AT_ONCE)
        predicted = value.each(states[steps], steps)
        error = predicted.detach() - target  # (K, B, 1)
        predicted.backward(fit * error)
        d_target -= scale * error.sum(0)
        squares += error.square().sum()
    return d_target, squares


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """Return the mean of (|grad f| - 1)² at random points between real and generated examples, 0-dim, differentiable.

    The critic of the Wasserstein distance has slope 1 almost everywhere on the lines between optimally coupled examples.

    Source: Gulrajani et al. 2017, Eq. 3.
    """
    share = torch.rand(len(real), *[1] * (real.dim() - 1), generator=generator).to(real.device)
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Inside, gradients pass through the module to its input, and its parameters get none."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)
