"""What a fine-tuning method is to the harness: it owns its optimisers and what one step does; the harness owns the loop."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from harness.interfaces import Batch, DataSpec

Weights = Mapping[str, Tensor]


class Stateful(Protocol):
    """Optimisers, modules, and whatever else can be saved and restored."""

    def state_dict(self) -> dict[str, object]: ...
    def load_state_dict(self, state: dict[str, object], /) -> object: ...


class Task(Protocol):
    """What the harness hands a method. No paths, ranks or seeds."""

    model: torch.nn.Module
    """The network to train, with the base's weights, on `device`, in eval mode (dropout off)."""
    spec: DataSpec
    device: torch.device
    steps: int
    """How many times `step` will be called in all."""
    batch: int
    """Examples a step."""

    def parts(self, n: int) -> list[slice]:
        """n examples in micro-batches, as the board's `micro_batch` says; one part where it says nothing.

        A method that sends each part through the network on its own, with randomness drawn for the whole before
        (`harness.training.parts`, `Optimizer.update_in_parts`), declares `accumulates` in its component.
        """
        ...

    def frozen_copy(self) -> torch.nn.Module:
        """A copy of `model` as it is now, without gradients, in eval mode: a reference."""
        ...

    def bank(self, model: torch.nn.Module, n: int, name: str) -> Batch:
        """n samples of `model` as it is now, by the cell's sampler, labels balanced over the classes.

        Kept on disk under the hash of the weights, the sampler, the seed and `name`, and never drawn twice. On `device`.
        Use another name for each bank that must be independent. Its cost is counted as the method's. `rows` are set.
        """
        ...

    def sample(self, model: torch.nn.Module, n: int, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """n samples of `model` as it is now, by the cell's sampler, drawn anew: (n, …) on `device`, without gradients.

        labels: (n,), or None for data that have none. Their cost is counted as the method's.
        """
        ...


class FinetuneMethod(abc.ABC):
    """Base class of methods. Make optimisers and extra networks in `__init__`, and name them in `keep`.

    The same object trains, is saved and is restored: after `load_state_dict` it must go on exactly as if it had not
    stopped. All randomness comes from the generator that `step` gets.
    """

    def __init__(self, config: object, task: Task) -> None:
        self.config = config
        self.task = task
        self._kept: dict[str, Stateful] = {}

    def keep(self, **objects: Stateful) -> None:
        """Make these part of the checkpoint (`task.model` is saved by the harness)."""
        self._kept.update(objects)

    @abc.abstractmethod
    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """Take one step on a batch of real data.

        Args:
            batch: `task.batch` training examples on `task.device`; the order is the harness's.
            generator: on the CPU, fresh for this step.
            index: number of the step, from 0.
        Returns: scalars to log, detached. One that is not finite ends the cell as diverged.
        """

    def result(self, weights: Weights) -> Weights:
        """The weights to evaluate, given the trained ones (or their EMA); for methods that merge at the end. Pure."""
        return weights

    def state_dict(self) -> dict[str, object]:
        """All state beside `task.model`: tensors in plain containers."""
        return {name: kept.state_dict() for name, kept in self._kept.items()}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore what `state_dict` gave."""
        for name, kept in self._kept.items():
            kept.load_state_dict(state[name])  # type: ignore[arg-type]
