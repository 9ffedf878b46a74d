"""An average of the weights that follows them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class ExponentialAverage:
    """theta_ema ← decay · theta_ema + (1 - decay) · theta, after each step; buffers are those of the model.

    Args:
        decay: in (0, 1).
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self._live = [parameter.detach() for parameter in model.parameters()]
        self._averages = [parameter.detach().clone() for parameter in model.parameters()]

    def update(self) -> None:
        """Follow the model by one step."""
        torch._foreach_lerp_(self._averages, self._live, 1 - self.decay)

    def weights(self) -> dict[str, Tensor]:
        """A copy of the averages, under the names of the state dict, on the CPU."""
        result = {name: value.detach().to("cpu", copy=True) for name, value in self.model.state_dict().items()}
        for (name, _), average in zip(self.model.named_parameters(), self._averages, strict=True):
            result[name] = average.to("cpu", copy=True)
        return result

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Take the averages from a checkpoint."""
        for (name, _), average in zip(self.model.named_parameters(), self._averages, strict=True):
            average.copy_(weights[name])
