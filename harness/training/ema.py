"""Averages of the weights that follow them: of fixed decay, or of EDM2's growing length."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.training.averages import PowerFunctionAverage, Snapshot, reconstruct
from harness.training.config import PowerFunctionEMA, TrainingConfig


class ExponentialAverage:
    """theta_ema ← decay · theta_ema + (1 - decay) · theta, after each step; buffers are those of the model.

    Args:
        decay: in (0, 1).
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self._live = [parameter.detach() for parameter in model.parameters()]
        self._averages = [parameter.detach().clone() for parameter in model.parameters()]

    def update(self, seen: int = 0) -> None:
        """Follow the model by one step; the images seen do not matter."""
        torch._foreach_lerp_(self._averages, self._live, 1 - self.decay)

    def weights(self) -> dict[str, Tensor]:
        """A copy of the averages, under the names of the state dict, on the CPU."""
        result = {name: value.detach().to("cpu", copy=True) for name, value in self.model.state_dict().items()}
        for (name, _), average in zip(self.model.named_parameters(), self._averages, strict=True):
            result[name] = average.to("cpu", copy=True)
        return result

    def tensors(self) -> dict[str, Tensor]:
        """For the checkpoint."""
        return self.weights()

    def restore(self, weights: Mapping[str, Tensor], seen: int = 0) -> None:
        """Take the averages from a checkpoint."""
        for (name, _), average in zip(self.model.named_parameters(), self._averages, strict=True):
            average.copy_(weights[name])


class PowerFunctionTrack:
    """Averages of relative lengths, and the one of the wanted length: tracked itself, or put together from snapshots.

    Args:
        images: of the whole training, over which the snapshots are spread. batch: images a step.
    Snapshots are in memory, on the CPU, in float32, and none are kept where the wanted length is tracked.
    Source: Karras et al. 2024, section 3.
    """

    def __init__(self, model: torch.nn.Module, settings: PowerFunctionEMA, *, images: int, batch: int) -> None:
        self.model, self.settings, self.images, self.batch, self.seen = model, settings, images, batch, 0
        self._tracked = PowerFunctionAverage(model, settings.tracked)
        self._snapshots: list[Snapshot] = []

    def update(self, seen: int) -> None:
        """Follow the model by one step, after which `seen` images have been seen."""
        self.seen = seen
        self._tracked.update(self.model, seen, self.batch)
        due = self.settings.snapshots * seen // self.images > self.settings.snapshots * (seen - self.batch) // self.images
        if due and not self._is_tracked:
            self._snapshots += self._now()

    def weights(self) -> dict[str, Tensor]:
        """A copy of the average of the wanted length, under the names of the state dict, on the CPU."""
        if self.seen == 0:
            return {name: value.detach().to("cpu", copy=True) for name, value in self.model.state_dict().items()}
        if self._is_tracked:
            return self._now()[self.settings.tracked.index(self.settings.std)].weights  # type: ignore[return-value]
        kept = [one for one in self._snapshots if one.images < self.seen]
        return reconstruct([*kept, *self._now()], self.seen, self.settings.std)

    def tensors(self) -> dict[str, Tensor]:
        """For the checkpoint: the averages as `now/length/name`, the snapshots as `images/length/name`."""
        times = [("now", self._now()), *((str(one.images), [one]) for one in self._snapshots)]
        return {
            f"{time}/{self.settings.tracked.index(one.std)}/{name}": value
            for time, group in times
            for one in group
            for name, value in one.weights.items()
        }

    def restore(self, tensors: Mapping[str, Tensor], seen: int) -> None:
        """Take averages and snapshots from a checkpoint written after `seen` images."""
        self.seen = seen
        found: dict[tuple[str, int], dict[str, Tensor]] = {}
        for key, value in tensors.items():
            time, length, name = key.split("/", 2)
            found.setdefault((time, int(length)), {})[name] = value
        for index, average in enumerate(self._tracked.averages):
            for name, value in average.items():
                value.copy_(found[("now", index)][name])
        stored = sorted((int(time), index) for time, index in found if time != "now")
        self._snapshots = [Snapshot(time, self.settings.tracked[index], found[(str(time), index)]) for time, index in stored]

    @property
    def _is_tracked(self) -> bool:
        return self.settings.std in self.settings.tracked

    def _now(self) -> list[Snapshot]:
        pairs = zip(self.settings.tracked, self._tracked.averages, strict=True)
        return [
            Snapshot(self.seen, std, {name: value.detach().to("cpu", copy=True) for name, value in average.items()})
            for std, average in pairs
        ]


def average(model: torch.nn.Module, training: TrainingConfig) -> ExponentialAverage | PowerFunctionTrack | None:
    """What a training's `ema` asks for."""
    if training.ema is None:
        return None
    if isinstance(training.ema, float):
        return ExponentialAverage(model, training.ema)
    return PowerFunctionTrack(model, training.ema, images=training.images, batch=training.batch)
