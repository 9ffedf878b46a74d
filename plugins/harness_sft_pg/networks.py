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
    """Make a linear layer of zeros: `initialise` draws its weights from a generator, so that no global randomness is used."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Critic(nn.Module):
    """The critic f: two hidden layers with ReLU. It is trained to be high on generated examples and low on real ones.

    Args:
        shape: shape of one example, which is flattened.
        width: units of each hidden layer.
    """

    def __init__(self, shape: Sequence[int], width: int) -> None:
        super().__init__()
        self.lin1 = linear(math.prod(shape), width)
        self.lin2 = linear(width, width)
        self.lin4 = linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, …) -> (B, 1)."""
        hidden = relu_(self.lin1(x.flatten(1)))
        return self.lin4(relu_(self.lin2(hidden)))


class ConditionalLinear(nn.Module):
    """E[step] * (W x + b): a linear layer whose outputs are scaled by gains, a vector of them for each step."""

    def __init__(self, inputs: int, outputs: int, steps: int) -> None:
        super().__init__()
        self.lin = linear(inputs, outputs)
        self.embed = nn.Embedding(steps, outputs, _weight=torch.zeros(steps, outputs))

    def forward(self, x: Tensor, step: int | Tensor) -> Tensor:
        """x: (B, inputs); step: one for all or (B,). Returns: (B, outputs)."""
        return self.embed.weight[step] * self.lin(x)

    def each(self, x: Tensor, steps: slice) -> Tensor:
        """Apply the layer to K blocks of B rows, (K * B, inputs), the k-th block at the k-th of `steps`: (K * B, outputs)."""
        gains = self.embed.weight[steps, None]
        return (self.lin(x).view(len(gains), -1, self.lin.out_features) * gains).flatten(0, 1)

    def each_relu(self, x: Tensor, steps: slice) -> Tensor:
        """Return the ReLU of `each`, in less memory and time."""
        return cast(Tensor, _ScaledReLU.apply(self.lin(x), self.embed.weight[steps, None]))


class _ScaledReLU(torch.autograd.Function):
    """h = relu(g * y) for K blocks y of B rows, (K * B, n), with the gains g of each block, (K, 1, n); h overwrites y.

    With d = dL/dh, the derivatives are dL/dy = g d and dL/dg = sum over the block of d y where h > 0, and 0 elsewhere. Where
    h > 0, y = h / g, so that h is all that must be kept. Plain operations would keep three tensors of this size, and pass
    over them nine times instead of six.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, y: Tensor, gains: Tensor) -> Tensor:
        # y has two dimensions because it must be no view of another tensor: autograd would copy all of y to follow the change.
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
    """The value network V: the expected f of the sample that a state leads to. Step 0 is that of the initial noise."""

    @abc.abstractmethod
    def forward(self, x: Tensor, step: int | Tensor) -> Tensor:
        """Return V of states x (B, …) at a step, one for all or (B,) int64: (B, 1)."""

    @abc.abstractmethod
    def each(self, states: Tensor, steps: slice) -> Tensor:
        """Return V of K rows of states, (K, B, …), the k-th row at the k-th of `steps`: (K, B, 1)."""


class Value(ValueNetwork):
    """The value network V with two hidden layers.

    Args:
        shape: shape of one state, which is flattened.
        steps: number of the sampler's steps.
        width: units of each hidden layer.
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
    """Draw all parameters: linear layers uniform in ±1 / sqrt(inputs), which is torch's default, gains uniform in [0, 1)."""
    for child in module.modules():
        if isinstance(child, nn.Linear):
            bound = child.in_features**-0.5
            _fill(child.weight, -bound, bound, generator)
            _fill(child.bias, -bound, bound, generator)
        elif isinstance(child, nn.Embedding):
            _fill(child.weight, 0.0, 1.0, generator)


def _fill(parameter: Tensor, low: float, high: float, generator: torch.Generator) -> None:
    # Drawn on the CPU and moved, so that the parameters are the same on every device.
    parameter.copy_(torch.empty(parameter.shape).uniform_(low, high, generator=generator))
