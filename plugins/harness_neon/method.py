"""Negative extrapolation from self-training."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.interfaces import Batch
from harness.training.method import FinetuneMethod, Task, Weights
from harness.training.micro_batches import training_losses
from harness.training.optimizer import Optimizer
from harness_neon import NeonConfig


class Neon(FinetuneMethod):
    """Trains on samples of the base with the pretraining loss, then evaluates (1 + w) base - w trained.

    Training on own samples degrades a model in a direction that is close to opposite to the one in which real data
    would improve it, so a step the other way helps. Real batches are ignored. Source: arXiv 2510.03597.
    """

    config: NeonConfig

    def __init__(self, config: NeonConfig, task: Task) -> None:
        super().__init__(config, task)
        self.base = task.frozen_copy()
        self.optimizer = Optimizer(config.optimizer, task.model.parameters(), updates=task.steps)
        # The base is kept: after a resume `task.model` may hold trained weights already when this object is made.
        self.keep(base=self.base, optimizer=self.optimizer)
        self._bank: Batch | None = None

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """One update on own samples; logs `loss`, in the units of the model's pretraining loss."""
        if self._bank is None:
            self._bank = self.task.bank(self.base, self.config.bank_size, "neon")
        chosen = torch.randint(len(self._bank), (self.task.batch,), generator=generator)
        own = self._bank[chosen.to(self.task.device)]
        return {"loss": self.optimizer.update_in_parts(training_losses(self.task, own, generator))}

    def result(self, weights: Weights) -> Weights:
        """(1 + w) base - w trained, for floating tensors; the others (counters, tables) stay as trained."""
        base = self.base.state_dict()
        return {name: self._away(base[name], trained) for name, trained in weights.items()}

    def _away(self, base: Tensor, trained: Tensor) -> Tensor:
        if not trained.is_floating_point():
            return trained.clone()
        # Written as base + w (base - trained): tensors that training left alone stay as they are, bit for bit.
        base = base.to(trained.device)
        return base + self.config.w * (base - trained)
