"""The critic and the value network, with the parameter names of the published toy code."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.functional import relu_


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer of zeros: `initialise` fills it from a generator, and no global randomness is used."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Critic(nn.Module):
    """f: two hidden layers with ReLU, (B, …) -> (B, 1). High on generated examples, low on real ones.

    Args:
        shape: shape of one example; it is flattened.
        width: hidden units.
    """

    def __init__(self, shape: Sequence[int], width: int) -> None:
        super().__init__()
        self.lin1 = linear(math.prod(shape), width)
        self.lin2 = linear(width, width)
        self.lin4 = linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = relu_(self.lin1(x.flatten(1)))
        return self.lin4(relu_(self.lin2(hidden)))


class ConditionalLinear(nn.Module):
    """E[step] * (W x + b): a linear layer whose outputs each step scales with gains of its own."""

    def __init__(self, inputs: int, outputs: int, steps: int) -> None:
        super().__init__()
        self.lin = linear(inputs, outputs)
        self.embed = nn.Embedding(steps, outputs, _weight=torch.zeros(steps, outputs))

    def forward(self, x: Tensor, step: int | Tensor) -> Tensor:
        """x: (B, inputs); step: one for all or (B,). Returns: (B, outputs)."""
        return self.embed.weight[step] * self.lin(x)

    def each(self, x: Tensor, steps: slice) -> Tensor:
        """One block of rows of x, (K * B, inputs), for each of K `steps`. Returns: (K * B, outputs)."""
        gains = self.embed.weight[steps, None]
        return (self.lin(x).view(len(gains), -1, self.lin.out_features) * gains).flatten(0, 1)

    def each_relu(self, x: Tensor, steps: slice) -> Tensor:
        """ReLU of `each`, in less memory and time."""
        return cast(Tensor, _ScaledReLU.apply(self.lin(x), self.embed.weight[steps, None]))


class _ScaledReLU(torch.autograd.Function):
    """h = relu(gains * y) for blocks y, (K * B, n), with gains (K, 1, n) of each block; computed in place of y.

    Its derivatives need h only: where h > 0 it is gains * y, so y is h / gains there, and elsewhere the gradient is 0.
    Plain operations would keep three tensors of this size, and pass over them nine times instead of six.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, y: Tensor, gains: Tensor) -> Tensor:
        # y must be no view of another tensor (hence two dimensions): autograd would copy it all to follow the change.
        y.view(len(gains), -1, y.shape[1]).mul_(gains).relu_()
        ctx.mark_dirty(y)
        ctx.save_for_backward(y, gains)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, d_hidden: Tensor) -> tuple[Tensor, Tensor]:
        hidden, gains = ctx.saved_tensors  # type: ignore[attr-defined]
        blocks = (len(gains), -1, hidden.shape[1])
        d_gains = (d_hidden * hidden).view(blocks).sum(1, keepdim=True) / gains
        d_gains.masked_fill_(gains == 0, 0.0)  # relu(0) has gradient 0
        d_y = torch.ops.aten.threshold_backward(d_hidden, hidden, 0)
        d_y.view(blocks).mul_(gains)
        return d_y, d_gains


class ValueNetwork(nn.Module, abc.ABC):
    """V: what the critic will say of the sample that a state leads to. Step 0 is the initial noise."""

    @abc.abstractmethod
    def forward(self, x: Tensor, step: int | Tensor) -> Tensor:
        """x: (B, …); step: one for all or (B,) int64. Returns: (B, 1)."""

    @abc.abstractmethod
    def each(self, states: Tensor, steps: slice) -> Tensor:
        """Row k of states, (K, B, …), at the k-th of `steps`. Returns: (K, B, 1)."""


class Value(ValueNetwork):
    """V with two hidden layers.

    Args:
        shape: shape of one state; it is flattened.
        steps: number of the sampler's steps.
        width: hidden units.
    """

    def __init__(self, shape: Sequence[int], steps: int, width: int) -> None:
        super().__init__()
        self.lin1 = ConditionalLinear(math.prod(shape), width, steps)
        self.lin2 = ConditionalLinear(width, width, steps)
        self.lin4 = ConditionalLinear(width, 1, steps)

    def forward(self, x: Tensor, step: int | Tensor) -> Tensor:
        hidden = relu_(self.lin1(x.flatten(1), step))
        return self.lin4(relu_(self.lin2(hidden, step)), step)

    def each(self, states: Tensor, steps: slice) -> Tensor:
        hidden = self.lin1.each_relu(states.flatten(2).flatten(0, 1), steps)
        out = self.lin4.each(self.lin2.each_relu(hidden, steps), steps)
        return out.view(*states.shape[:2], 1)


@torch.no_grad()
def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw all parameters anew: linear layers uniform in ±1/sqrt(inputs) (torch's default), gains uniform in [0, 1)."""
    for child in module.modules():
        if isinstance(child, nn.Linear):
            bound = child.in_features**-0.5
            _fill(child.weight, -bound, bound, generator)
            _fill(child.bias, -bound, bound, generator)
        elif isinstance(child, nn.Embedding):
            _fill(child.weight, 0.0, 1.0, generator)


def _fill(parameter: Tensor, low: float, high: float, generator: torch.Generator) -> None:
    # Drawn on the CPU and moved, so that it is the same on every device.
    parameter.copy_(torch.empty(parameter.shape).uniform_(low, high, generator=generator))
