"""Averages that follow the weights during training: with a fixed decay, or with EDM2's growing length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from harness.training.config import PowerFunctionEMA, TrainingConfig
from harness.training.power_function import AverageSnapshot, PowerFunctionAverage, reconstruct


class WeightAverage(Protocol):
    """An average of a model's weights, which is evaluated in the place of the weights themselves."""

    def update(self, seen: int) -> None:
        """Update the average after a step of the model. seen: training images so far, those of this step included."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the average on the CPU, under the names of the model's state dict; buffers are the model's."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that a checkpoint must hold."""
        ...

    def restore(self, tensors: Mapping[str, Tensor], seen: int) -> None:
        """Go on from the tensors of a checkpoint that was written after `seen` images."""
        ...


class ExponentialAverage:
    """An average with a fixed decay: `average <- decay * average + (1 - decay) * theta` after each step.

    The average starts at the model's initial weights theta_0. After n steps it is
    decay^n theta_0 + (1 - decay) * sum over k = 1 … n of decay^(n - k) theta_k.

    Args:
        decay: above 0 and below 1.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self._live = [parameter.detach() for parameter in model.parameters()]
        self._averages = [parameter.detach().clone() for parameter in model.parameters()]

    def update(self, seen: int = 0) -> None:
        """Update the average after a step of the model. A fixed decay does not depend on `seen`."""
        torch._foreach_lerp_(self._averages, self._live, 1 - self.decay)  # one call for all: one by one is far slower

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the average on the CPU, under the names of the model's state dict; buffers are the model's."""
        averages = self._by_name()
        return {name: averages.get(name, value).detach().to("cpu", copy=True) for name, value in self.model.state_dict().items()}

    def tensors(self) -> dict[str, Tensor]:
        """Return the average, which a checkpoint must hold."""
        return self.weights()

    def restore(self, tensors: Mapping[str, Tensor], seen: int = 0) -> None:
        """Go on from the average in a checkpoint."""
        averages = self._by_name()
        for name in averages.keys() & self.model.state_dict().keys():
            averages[name].copy_(tensors[name])

    def _by_name(self) -> dict[str, Tensor]:
        """Return the averages by the names of the parameters; one that a parameter of two names has stands there twice."""
        average_of = {id(parameter): average for parameter, average in zip(self.model.parameters(), self._averages, strict=True)}
        return {name: average_of[id(parameter)] for name, parameter in self.model.named_parameters(remove_duplicate=False)}


class PowerFunctionTracker:
    """Averages whose length grows with training, from which the average of the wanted length is taken.

    The settings name the lengths that are tracked, and the wanted length `std`. A wanted length among the tracked ones is used
    directly. Any other one is reconstructed from snapshots of the tracked averages. The snapshots are kept in CPU memory, in the
    dtype of the weights. Source: Karras et al. 2024, section 3.

    Args:
        images: training images in all, over which the snapshots are spread.
        batch: images a step.
    """

    def __init__(self, model: torch.nn.Module, settings: PowerFunctionEMA, *, images: int, batch: int) -> None:
        self.model, self.settings, self.images, self.batch, self.seen = model, settings, images, batch, 0
        self._tracked = PowerFunctionAverage(model, settings.tracked)
        self._snapshots: list[AverageSnapshot] = []

    def update(self, seen: int) -> None:
        """Follow the model by one step, after which `seen` images have been seen."""
        self.seen = seen
        self._tracked.update(self.model, seen, self.batch)
        # Snapshot i of n is due at the first step that reaches i / n of all images. Integer arithmetic makes that exact.
        count, images = self.settings.snapshots, self.images
        is_due = count * seen // images > count * (seen - self.batch) // images
        if is_due and not self._is_tracked:
            self._snapshots += self._now()

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the average of the wanted length on the CPU, under the names of the model's state dict."""
        if self.seen == 0:
            return {name: value.detach().to("cpu", copy=True) for name, value in self.model.state_dict().items()}
        if self._is_tracked:
            return dict(self._now()[self.settings.tracked.index(self.settings.std)].weights)
        earlier = [snapshot for snapshot in self._snapshots if snapshot.images < self.seen]
        averaged = {name for name, _ in self.model.named_parameters(remove_duplicate=False)}
        return reconstruct([*earlier, *self._now()], self.seen, self.settings.std, averaged)

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors of a checkpoint: the averages as `now/LENGTH/name`, the snapshots as `IMAGES/LENGTH/name`.

        LENGTH is the index of the relative length in the setting `tracked`, since a name cannot hold a float exactly.
        """
        groups = [("now", self._now()), *((str(snapshot.images), [snapshot]) for snapshot in self._snapshots)]
        return {
            f"{time}/{self.settings.tracked.index(snapshot.std)}/{name}": value
            for time, group in groups
            for snapshot in group
            for name, value in snapshot.weights.items()
        }

    def restore(self, tensors: Mapping[str, Tensor], seen: int) -> None:
        """Go on from the averages and snapshots of a checkpoint that was written after `seen` images."""
        self.seen = seen
        stored: dict[tuple[str, int], dict[str, Tensor]] = {}
        for key, value in tensors.items():
            time, length, name = key.split("/", 2)
            stored.setdefault((time, int(length)), {})[name] = value
        for index, average in enumerate(self._tracked.averages):
            for name, value in average.items():
                value.copy_(stored["now", index][name])
        snapshots = sorted((int(time), index) for time, index in stored if time != "now")
        self._snapshots = [
            AverageSnapshot(images, self.settings.tracked[index], stored[str(images), index]) for images, index in snapshots
        ]

    @property
    def _is_tracked(self) -> bool:
        return self.settings.std in self.settings.tracked

    def _now(self) -> list[AverageSnapshot]:
        """Return a snapshot of each tracked average as it is now."""
        return self._tracked.snapshots(self.seen)


def make_average(model: torch.nn.Module, training: TrainingConfig, images: int | None = None) -> WeightAverage | None:
    """Return the average that the setting `ema` asks for, at its start; None where the setting asks for none.

    Args:
        images: training images that the average follows, such as those of a round; by default those of the whole training.
    """
    if training.ema is None:
        return None
    if isinstance(training.ema, float):
        return ExponentialAverage(model, training.ema)
    followed = training.images if images is None else images
    return PowerFunctionTracker(model, training.ema, images=followed, batch=training.batch)
