"""The interface for authors of methods: the base class of fine-tuning methods, and the task that the harness gives a method.

A method owns its optimisers, its extra networks, and what one step does. The harness owns the loop around the steps: batches
and their order, rounds, weight averages, checkpoints and resume, the curve, selection, devices, logs, and the counting of costs.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from harness.interfaces import Batch, DataSpec
from harness.training.rounds import Round

Weights = Mapping[str, Tensor]
"""Tensors under the names of a state dict."""


class Stateful(Protocol):
    """An object whose state can be saved and restored: an optimiser, a module, or an object of the method's own."""

    def state_dict(self) -> dict[str, object]: ...
    def load_state_dict(self, state: dict[str, object], /) -> object: ...


class Bank(Protocol):
    """Samples that a model has drawn, n of them: a `Batch`, or rows that stay on the host until they are asked for."""

    @property
    def x(self) -> Tensor:
        """All samples, (n, …), on the task's device. Ask for rows instead: a large bank fills a card."""
        ...

    @property
    def labels(self) -> Tensor | None:
        """(n,) int64, on the task's device; None for data without classes."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor | slice, /) -> Batch:
        """Return some samples on the task's device, with `rows` set: their numbers in the bank."""
        ...


class Task(Protocol):
    """The task that the harness gives a method. A method sees no paths, no ranks and no seeds."""

    model: torch.nn.Module
    """The network to train. It has the base's weights, lies on `device`, and is in eval mode, so dropout is off. In pretraining
    it has initial weights, and is in train mode where its component says that it drops parts of itself."""
    spec: DataSpec
    """Shape and classes of the examples as the network sees them. A model that works in latents sees the shape of latents."""
    device: torch.device
    """Where the network and all batches are."""
    steps: int
    """The number of steps in all; the harness calls `step` once for each, and once more for each further candidate of a round."""
    batch: int
    """Number of real examples in a step."""

    def micro_batches(self, n: int) -> list[slice]:
        """Cut n examples into micro-batches of the size in the setting `micro_batch`. Without the setting, into one.

        A method that declares `accumulates` in its component sends each micro-batch through the network on its own. It draws
        the randomness for the whole batch first (`harness.training.micro_batches`), and takes one update on all of them
        (`Optimizer.update_in_parts`).
        """
        ...

    def frozen_copy(self) -> torch.nn.Module:
        """Copy `model` as it is now, as a reference: without gradients, in eval mode. Its evaluations are counted too."""
        ...

    def bank(self, model: torch.nn.Module, n: int, name: str, *, as_tokens: bool = False) -> Bank:
        """Draw n samples of `model` as it is now, once, with the cell's sampler. Labels are balanced over the classes.

        A bank is stored on disk under a key of the model's weights, the sampler, the seed, n, `name`, and the number of samples
        drawn at once. So a call with the same arguments returns the same samples, after a resume too. Banks of different names
        are independent of each other. The cost of drawing counts as the method's, also when the bank was drawn before.

        Args:
            as_tokens: True for the tokens (n, L) int64 as the sampler drew them, in the place of decoded samples. A method asks
                `MethodUsage.lacks_tokens` in its `check` first.
        Returns: the samples, to be had by rows: `bank[rows]` is a `Batch` on `device`, with `rows` set. A bank that takes more of
            a card than the setting `data` lets training examples take stays on the host, and only these rows are moved.
        """
        ...

    def sample(
        self, model: torch.nn.Module, n: int, labels: Tensor | None, generator: torch.Generator, *, as_tokens: bool = False
    ) -> Tensor:
        """Draw n new samples of `model` as it is now, with the cell's sampler. Their cost is counted as the method's.

        Args:
            labels: (n,) int64, or None for data without classes.
            generator: the only source of randomness.
            as_tokens: as in `bank`.
        Returns: (n, …) on `device`, without gradients; (n, L) int64 for tokens.
        """
        ...


class FinetuneMethod(abc.ABC):
    """Base class of all methods.

    Make optimisers and extra networks in `__init__`, and pass every object that has a state to `keep`. After a stop, the harness
    makes a new object of the method and calls `load_state_dict` on it. The new object must then go on exactly as the old one
    would have. All randomness of a step must come from the generator that the step gets.
    """

    def __init__(self, config: object, task: Task) -> None:
        self.config = config
        self.task = task
        self._kept: dict[str, Stateful] = {}

    def keep(self, **objects: Stateful) -> None:
        """Make these objects part of the checkpoint, each under its name. The harness saves `task.model` itself."""
        self._kept.update(objects)

    @abc.abstractmethod
    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """Take one step on a batch of real examples.

        Args:
            batch: `task.batch` training examples on `task.device`, in the harness's order.
            generator: the only source of randomness of the step, on the CPU; new for each step.
            index: number of the step, from 0, counted over all rounds. Each candidate of a round has the same numbers.
        Returns: scalars to log by name, 0-dim and detached. The cell ends as diverged when a scalar is not finite.
        """

    @property
    def period(self) -> int:
        """The number of steps after which the method does again what it has done; 1 where all steps do the same.

        Estimates of memory and time (`harness run --card`) take so many steps.
        """
        return 1

    def begin_round(self, part: Round) -> None:
        """Begin a round, before its first step: the model has the weights that the round starts from.

        Called where the settings derive from `harness.training.rounds.RoundsConfig`, at the start of each round and of each
        candidate of a round. It is not called for the very first one, which `__init__` begins, nor when training goes on from a
        checkpoint within a round, for which `load_state_dict` is there. Nothing of earlier rounds may remain: optimisers,
        references and banks are new. `config.value(name, part)` is a setting as it is in the round.
        """
        raise NotImplementedError(f"{type(self).__name__} has rounds in its settings, and no begin_round")

    def result(self, weights: Weights) -> Weights:
        """Turn trained weights into the weights to evaluate. A method that merges weights at the end overrides this.

        The method must not change `weights`, the model or its own state here: `result` is also called for each point of the
        curve. `weights` are the model's, or their average where the setting `ema` asks for one.
        """
        return weights

    def state_dict(self) -> dict[str, object]:
        """Return all state beside `task.model`, as tensors and plain values in plain containers."""
        return {name: kept.state_dict() for name, kept in self._kept.items()}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore what `state_dict` returned."""
        for name, kept in self._kept.items():
            kept.load_state_dict(state[name])  # type: ignore[arg-type]
