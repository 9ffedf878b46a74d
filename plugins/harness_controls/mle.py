"""Training with the model's own pretraining loss."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.interfaces import Batch
from harness.training.method import FinetuneMethod, Task
from harness.training.micro_batches import training_losses
from harness.training.optimizer import Optimizer
from harness_controls import MLEConfig


class MLE(FinetuneMethod):
    """Minimises the batch mean of `training_loss` on real data.

    From random weights this is pretraining. From a base it is the control arm "continued training": without it, a gain of
    another method could be a gain of more training.
    """

    config: MLEConfig

    def __init__(self, config: MLEConfig, task: Task) -> None:
        super().__init__(config, task)
        self.optimizer = Optimizer(config.optimizer, task.model.parameters(), updates=task.steps)
        self.keep(optimizer=self.optimizer)

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """Take one optimiser step. Logs `loss`, in the units of the model's pretraining loss."""
        return {"loss": self.optimizer.update_in_parts(training_losses(self.task, batch, generator))}
