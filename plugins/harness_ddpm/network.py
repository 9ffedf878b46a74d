"""The noise-prediction network for points: a multilayer perceptron with a learned gain for each step."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional


class ConditionalLinear(nn.Module):
    """E[t] * (W x + b): a linear layer whose outputs have a learned gain for each step t.

    W and b begin as those of torch.nn.Linear, the gains E uniform in [0, 1).

    Args:
        inputs, outputs: features.
        steps: number of steps, one row of E each.
    """

    def __init__(self, inputs: int, outputs: int, steps: int) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs, outputs)
        self.embed = nn.Embedding(steps, outputs)
        nn.init.uniform_(self.embed.weight)

    def forward(self, x: Tensor, t: int | Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs). t: one index for all rows, or (B,) int64."""
        # One index takes one row of E, which broadcasts; gathering B equal rows would cost as much as the layer itself.
        gain = self.embed.weight[t] if isinstance(t, int) else self.embed(t)
        return gain * self.lin(x)


class NoiseMLP(nn.Module):
    """Predicts the noise in x_t: three conditional layers with softplus, and a linear layer.

    Names and shapes of the weights are those of the published toy network.

    Args:
        shape: shape of one example, which the network flattens.
        steps: number T of steps of the chain.
        width: units of a hidden layer.
    Source: SFT-PG (Fan and Lee 2023), toy experiments.
    """

    def __init__(self, shape: tuple[int, ...], steps: int, width: int) -> None:
        super().__init__()
        size = math.prod(shape)
        self.lin1 = ConditionalLinear(size, width, steps)
        self.lin2 = ConditionalLinear(width, width, steps)
        self.lin3 = ConditionalLinear(width, width, steps)
        self.lin4 = nn.Linear(width, size)

    def forward(self, x: Tensor, t: int | Tensor) -> Tensor:
        """Predict the noise in x (B, …), (B, …). t: one index for all examples, or (B,) int64; 0 = least noisy."""
        hidden = x.flatten(1)
        for layer in (self.lin1, self.lin2, self.lin3):
            hidden = functional.softplus(layer(hidden, t))
        out: Tensor = self.lin4(hidden)
        return out.view_as(x)
