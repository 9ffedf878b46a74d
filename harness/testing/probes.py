"""Inputs on which the checks of models try a network, and how the checks look at the outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing.expect import expect

R = TypeVar("R")
BATCH = 6
ROUNDING = 1e-4
"""Largest difference between a whole batch and a part of it, which add up in different orders, relative to the largest value."""


def examples(spec: DataSpec, n: int = BATCH, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    """Return data of the spec's shape: x (n, …) of standard deviation 0.5, which is usual for data, and labels (n,) or None."""
    generator = stream(seed, "conformance")
    x = 0.5 * torch.randn(n, *spec.shape, generator=generator)
    return x, torch.randint(spec.classes, (n,), generator=generator) if spec.classes else None


def check_close(first: Tensor, second: Tensor, what: str) -> None:
    """Check that two tensors are equal up to rounding; `what` begins the message."""
    first, second = first.detach(), second.detach()
    difference = float((first - second).abs().max())
    expect(difference <= ROUNDING * max(1.0, float(second.abs().max())), f"{what} differ by {difference:.2g}")


def check_gradients(model: nn.Module, scalar: Tensor, what: str) -> None:
    """Check that a scalar reaches some weights of the model, with finite gradients."""
    expect(scalar.requires_grad, f"{what} is not differentiable in the weights")
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradients = [gradient for gradient in torch.autograd.grad(scalar, weights, allow_unused=True) if gradient is not None]
    expect(any(gradient.abs().sum() > 0 for gradient in gradients), f"{what} has no gradient in the weights")
    expect(all(gradient.isfinite().all() for gradient in gradients), f"{what} has gradients that are not finite")


def through_forward(model: nn.Module, function: Callable[[], R], what: str) -> R:
    """Call a function that must call the model's `forward`, with the batch in front; the harness counts evaluations there.

    Returns: what the function returns.
    """
    sizes: list[int] = []
    with model.register_forward_pre_hook(lambda _, arguments: sizes.append(len(arguments[0]))):
        result = function()
    expect(sizes, f"{what} bypasses the module's forward, where the harness counts evaluations of the network")
    expect(all(size % BATCH == 0 for size in sizes), f"{what} calls forward with {sizes[0]} rows for {BATCH} examples")
    return result
