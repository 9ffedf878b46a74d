"""The critic and the value network, with the parameter names of the published toy code."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional
from torch.nn.functional import relu_

POINT = 3
"""Inputs of a layer up to which the gradient of its weights is computed transposed. MKL then adds in the same order and takes an
eighth of the time; for more inputs, or in float64, the last bits would differ."""


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
        return _backward_of_scaled_relu(d_hidden, hidden, gains, out=torch.empty_like(hidden))


class _ToyValue(torch.autograd.Function):
    """The value network's three layers for K blocks x of B rows, (K * B, inputs), with the gains of each block, (K, 1, n).

        h1 = relu(g1 (W1 x + b1)),   h2 = relu(g2 (W2 h1 + b2)),   y = W4 h2 + b4,   V = g4 y,  (K, B, 1)

    The operations and their order are those that autograd would carry out layer by layer, so that all numbers are the same bit
    for bit. Here derivatives overwrite what is no longer needed: a layer's 1,280 rows of 256 numbers fill the processor's cache.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, *layers: Tensor) -> Tensor:
        w1, b1, g1, w2, b2, g2, w4, b4, g4 = layers
        blocks = (len(g1), -1)
        h1 = functional.linear(x, w1, b1)
        h1.view(*blocks, len(w1)).mul_(g1).relu_()
        h2 = functional.linear(h1, w2, b2)
        h2.view(*blocks, len(w2)).mul_(g2).relu_()
        y = functional.linear(h2, w4, b4).view(*blocks, 1)
        ctx.save_for_backward(x, h1, h2, y, g1, w2, g2, w4, g4)
        return y * g4

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, d_value: Tensor) -> tuple[Tensor | None, ...]:
        x, h1, h2, y, g1, w2, g2, w4, g4 = ctx.saved_tensors  # type: ignore[attr-defined]
        d_y, d_g4 = (d_value * g4).view(-1, 1), (d_value * y).sum(1, keepdim=True)
        d_w4, d_b4, d_h2 = d_y.t().mm(h2), d_y.sum(0), d_y.mm(w4)
        d_y2, d_g2 = _backward_of_scaled_relu(d_h2, h2, g2, out=d_h2)
        d_w2, d_b2, d_h1 = d_y2.t().mm(h1), d_y2.sum(0), d_y2.mm(w2)
        d_y1, d_g1 = _backward_of_scaled_relu(d_h1, h1, g1, out=d_h1)
        d_w1, d_b1 = _weight_gradient(d_y1, x), d_y1.sum(0)
        return None, d_w1, d_b1, d_g1, d_w2, d_b2, d_g2, d_w4, d_b4, d_g4


def _weight_gradient(d_out: Tensor, x: Tensor) -> Tensor:
    """Return the derivative with respect to the weights of a linear layer, (outputs, inputs), as autograd computes it."""
    if x.shape[1] <= POINT and x.dtype == torch.float32:
        return x.t().mm(d_out).t()
    return d_out.t().mm(x)


def _backward_of_scaled_relu(d_hidden: Tensor, hidden: Tensor, gains: Tensor, *, out: Tensor) -> tuple[Tensor, Tensor]:
    """Return the derivatives of `_ScaledReLU` with respect to y, which is written into `out`, and to the gains.

    Args:
        out: of the shape of `hidden`; it may be `d_hidden`.
    """
    blocks = (len(gains), -1, hidden.shape[1])
    d_gains = (d_hidden * hidden).view(blocks).sum(1, keepdim=True) / gains
    d_gains.masked_fill_(gains == 0, 0.0)  # relu(0) has gradient 0
    torch.ops.aten.threshold_backward.grad_input(d_hidden, hidden, 0, grad_input=out)
    out.view(blocks).mul_(gains)
    return out, d_gains


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
        layers = (self.lin1, self.lin2, self.lin4)
        parameters = [part for layer in layers for part in (layer.lin.weight, layer.lin.bias, layer.embed.weight[steps, None])]
        return cast(Tensor, _ToyValue.apply(states.flatten(2).flatten(0, 1), *parameters))


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
