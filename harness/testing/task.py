"""A task without a board, a disk or a loop, for tests of methods."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from harness.interfaces import Batch, DataSpec, SampleFunction
from harness.sampling import sharing
from harness.sampling.drawing import drawn_tokens
from harness.streams import SampleStreams
from harness.training import micro_batches
from harness.weights import state_dicts


class InMemoryTask:
    """A `harness.training.method.Task` that is kept in memory.

    Args:
        model: the network to train; it is put into eval mode.
        spec: what the network generates.
        sampler: draws the samples of banks.
        steps: how many times `step` will be called.
        batch: examples a step.
        seed: the cell's seed, which banks depend on.
        micro_batch: size of a micro-batch; None cuts nothing.
        devices: how many processes share each batch, of which each has a task.
    """

    def __init__(
        self, model: nn.Module, spec: DataSpec, sampler: SampleFunction, *,
        steps: int, batch: int, seed: int = 0, micro_batch: int | None = None, devices: int = 1,
    ) -> None:  # fmt: skip
        self.model, self.spec, self.sampler = model.eval(), spec, sampler
        self.steps, self.batch, self.seed, self.micro_batch = steps, batch, seed, micro_batch
        self.devices = devices
        self.device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        self.banks: dict[tuple[str | int, ...], Batch] = {}

    def micro_batches(self, n: int) -> list[slice]:
        """Cut n examples into micro-batches."""
        return micro_batches.slices(n, None if self.micro_batch is None else self.micro_batch * self.devices)

    def frozen_copy(self) -> nn.Module:
        """Copy `model` as it is now, without gradients, in eval mode."""
        return copy.deepcopy(self.model).eval().requires_grad_(False)

    def bank(self, model: nn.Module, n: int, name: str, *, as_tokens: bool = False) -> Batch:
        """Draw n samples of `model` as it is now, labels balanced; once for each (weights, n, name), and once as tokens."""
        key = (state_dicts.sha256(model.state_dict()), n, name, *(("tokens",) if as_tokens else ()))
        if key not in self.banks:
            classes = self.spec.classes
            labels = torch.arange(n, device=self.device) % classes if classes else None
            streams = SampleStreams(self.seed, f"bank/{name}", range(n), self.device)
            with torch.no_grad(), sharing.shared(None):
                rows = torch.arange(n, device=self.device)
                self.banks[key] = Batch(self._drawn(model, streams, labels, as_tokens), labels, rows)
        return self.banks[key]

    @torch.no_grad()
    def sample(
        self, model: nn.Module, n: int, labels: Tensor | None, generator: torch.Generator, *, as_tokens: bool = False
    ) -> Tensor:
        """Draw n new samples of `model` as it is now."""
        seed = int(torch.randint(2**62, (), generator=generator))

        def drawn(numbers: Tensor, labels: Tensor | None) -> Tensor:
            return self._drawn(model, SampleStreams(seed, "sample", numbers.tolist(), self.device), labels, as_tokens)

        return sharing.by_rows(drawn, torch.arange(n), labels)

    def _drawn(self, model: nn.Module, streams: SampleStreams, labels: Tensor | None, as_tokens: bool) -> Tensor:
        if as_tokens:
            return drawn_tokens(self.sampler, model, streams, labels)
        return self.sampler(model, self.spec, streams, labels)
