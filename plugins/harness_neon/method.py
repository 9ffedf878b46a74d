"""Negative extrapolation from self-training."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.interfaces import Batch
from harness.toolkit.grey_levels import on_grey_levels
from harness.training.method import Bank, FinetuneMethod, Task, Weights
from harness.training.micro_batches import training_losses
from harness.training.optimizer import Optimizer
from harness_neon import NeonConfig


class Neon(FinetuneMethod):
    """Trains the base on its own samples with the pretraining loss, then evaluates (1 + w) theta_0 - w theta_s.

    theta_0 are the weights of the base, theta_s the trained ones. A sampler favours likely samples, so training on them makes
    the model narrower still, and the gradient of that loss points nearly against the gradient of the loss on real data. The
    step away from theta_s, of length w, is therefore a step that real data would have asked for. Real batches are ignored.
    Source: arXiv 2510.03597.
    """

    config: NeonConfig

    def __init__(self, config: NeonConfig, task: Task) -> None:
        super().__init__(config, task)
        self.base = task.frozen_copy()
        self.optimizer = Optimizer(config.optimizer, task.model.parameters(), updates=task.steps)
        # The checkpoint holds the base: after a resume `task.model` may hold trained weights when this object is made.
        self.keep(base=self.base, optimizer=self.optimizer)
        self._bank: Bank | None = None

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """Take one optimiser step on samples of the base. Logs `loss`, in the units of the model's pretraining loss."""
        if self._bank is None:
            self._bank = self.task.bank(self.base, self.config.bank_size, "neon", as_tokens=self.config.samples_as == "tokens")
        rows = torch.randint(len(self._bank), (self.task.batch,), generator=generator)
        samples = self._bank[rows.to(self.task.device)]
        if self.config.grey_levels:
            samples = on_grey_levels(samples, self.config.grey_levels)
        return {"loss": self.optimizer.update_in_parts(training_losses(self.task, samples, generator))}

    def result(self, weights: Weights) -> Weights:
        """Return (1 + w) theta_0 - w theta_s for floating tensors; integer tensors (counters, tables) stay as trained."""
        base = self.base.state_dict()
        return {name: self._away(base[name], trained) for name, trained in weights.items()}

    def _away(self, base: Tensor, trained: Tensor) -> Tensor:
        if not trained.is_floating_point():
            return trained.clone()
        # (1 + w) a - w b = a + w (a - b). In the second form a tensor that training left alone stays the same, bit for bit.
        base = base.to(trained.device)
        return base + self.config.w * (base - trained)
