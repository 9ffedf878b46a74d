"""The noise-prediction network for points: a multilayer perceptron with learned gains for the steps."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_ddpm.softplus import fast_softplus


class GainTable(nn.Embedding):
    """A row of gains for each step, which begin uniform in [0, 1). Each row learns from the examples of its own step alone."""

    def __init__(self, steps: int, outputs: int) -> None:
        super().__init__(steps, outputs)
        nn.init.uniform_(self.weight)

    def forward(self, t: int | Tensor) -> Tensor:
        """Return the gains of steps, (B,) -> (B, outputs); of one step, (outputs,)."""
        # One index takes one row, which broadcasts; gathering B equal rows would cost as much as a layer itself.
        return self.weight[t] if isinstance(t, int) else super().forward(t)


class SmoothGains(nn.Module):
    """Gains that are a linear function of sinusoidal features of t / T, so that neighbouring steps learn together.

    The features are cos and sin of pi k t / T for k = 0 … n - 1, the lowest frequencies of a function on [0, T). The constant
    feature's weights begin uniform in [0, 1), as the rows of `GainTable` do, and all others at 0.

    Args:
        steps: number T of steps.
        outputs: gains of a step.
        frequencies: n.
    """

    def __init__(self, steps: int, outputs: int, frequencies: int = 16) -> None:
        super().__init__()
        angles = torch.outer(torch.arange(steps) / steps, math.pi * torch.arange(frequencies))
        self.register_buffer("features", torch.cat([angles.cos(), angles.sin()], dim=1), persistent=False)
        self.weight = nn.Parameter(torch.zeros(2 * frequencies, outputs))
        nn.init.uniform_(self.weight[0])

    def forward(self, t: int | Tensor) -> Tensor:
        """Return the gains of steps, (B,) -> (B, outputs); of one step, (outputs,)."""
        return self.get_buffer("features")[t] @ self.weight


class ConditionalLinear(nn.Module):
    """E(t) * (W x + b): a linear layer whose outputs have learned gains E, which depend on the step t.

    W and b begin as those of torch.nn.Linear.

    Args:
        inputs, outputs: features.
        steps: number of steps.
        is_smooth: whether the gains are a smooth function of the step; else each step has gains of its own.
    """

    def __init__(self, inputs: int, outputs: int, steps: int, *, is_smooth: bool = False) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs, outputs)
        self.embed = SmoothGains(steps, outputs) if is_smooth else GainTable(steps, outputs)

    def forward(self, x: Tensor, t: int | Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs). t: one index for all rows, or (B,) int64."""
        gained: Tensor = self.embed(t) * self.lin(x)
        return gained


class NoiseMLP(nn.Module):
    """Predicts the noise in x_t: three conditional layers with softplus, and a linear layer.

    Names and shapes of the weights are those of the published toy network, where each step has gains of its own.

    Args:
        shape: shape of one example, which the network flattens.
        steps: number T of steps of the chain.
        width: units of a hidden layer.
        is_smooth: whether gains are a smooth function of the step; the published network has a row of them for each step.
        is_fast: whether the activation is `fast_softplus`, which rounds otherwise than torch's.
    Source: SFT-PG (Fan and Lee 2023), toy experiments.
    """

    def __init__(self, shape: tuple[int, ...], steps: int, width: int, *, is_smooth: bool = False, is_fast: bool = False) -> None:
        super().__init__()
        self.activation = fast_softplus if is_fast else functional.softplus
        size = math.prod(shape)
        self.lin1 = ConditionalLinear(size, width, steps, is_smooth=is_smooth)
        self.lin2 = ConditionalLinear(width, width, steps, is_smooth=is_smooth)
        self.lin3 = ConditionalLinear(width, width, steps, is_smooth=is_smooth)
        self.lin4 = nn.Linear(width, size)

    def forward(self, x: Tensor, t: int | Tensor) -> Tensor:
        """Predict the noise in x (B, …), (B, …). t: one index for all examples, or (B,) int64; 0 = least noisy."""
        hidden = x.flatten(1)
        for layer in (self.lin1, self.lin2, self.lin3):
            hidden = self.activation(layer(hidden, t))
        out: Tensor = self.lin4(hidden)
        return out.view_as(x)
