"""Condition contrastive alignment on any model with labels and a likelihood or a bound of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.capabilities import Likelihood, NullLabel
from harness.interfaces import Batch
from harness.training.cached_likelihood import CachedLikelihood
from harness.training.method import FinetuneMethod, Task
from harness.training.optimizer import Optimizer
from harness_cca import CCAConfig


def cca_loss(own: Tensor, wrong: Tensor, positive: Tensor, *, beta: float, weight: float) -> Tensor:
    """The objective, 0-dim, the batch mean.

    Args:
        own, wrong: (B,), log p_theta - log p_ref in nats, of examples with their own label and with another's.
        positive: (B,) bool, rows without a negative: they weigh max(weight, 1). weight: lambda, of the wrong labels.
    Source: arXiv 2410.09347, Eq. 11, divided by max(lambda, 1) as its code does.
    """
    pulled, pushed = -F.logsigmoid(beta * own), -F.logsigmoid(-beta * wrong)
    whole = max(weight, 1.0)
    return torch.where(positive, whole * pulled, pulled + weight * pushed).mean() / whole


class CCA(FinetuneMethod):
    """Raises the likelihood of images given their own labels, and lowers it given those of their neighbours in the batch.

    Both against a frozen reference, the base. It aligns an unguided model with what guidance would draw, without samples and
    at one network call a sample. Source: arXiv 2410.09347.
    """

    config: CCAConfig

    def __init__(self, config: CCAConfig, task: Task) -> None:
        super().__init__(config, task)
        self.reference = task.frozen_copy()
        self.reference_likelihood = CachedLikelihood(self.reference)
        self.optimizer = Optimizer(config.optimizer, task.model.parameters(), updates=task.steps)
        self.keep(reference=self.reference, reference_likelihood=self.reference_likelihood, optimizer=self.optimizer)

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """One update.

        Logs `loss`; of rows with a negative: `accuracy`, the share with a higher ratio for the own label, and the mean ratios
        `margin_own` and `margin_wrong` in nats.
        """
        assert batch.labels is not None, "checked with the board"
        dropped = (torch.rand(len(batch), generator=generator) < self.config.drop_label).to(self.task.device)
        other = batch.labels.roll(1)  # the order of the data is random, so a neighbour's label is a random one
        positive = dropped | (other == batch.labels)
        labels = batch.labels.where(~dropped, cast(NullLabel, self.task.model).null_label)
        draw = cast(Likelihood, self.task.model).draw(batch.x, generator)
        own = self._ratio(replace(batch, labels=labels), draw)
        wrong = self._ratio(replace(batch, labels=other), draw)
        loss = cca_loss(own, wrong, positive, beta=self.config.beta, weight=self.config.weight)
        self.optimizer.update(loss)
        own, wrong, pairs = own.detach(), wrong.detach(), ~positive
        return {
            "loss": loss.detach(),
            "accuracy": mean_of((own > wrong).float(), pairs),
            "margin_own": mean_of(own, pairs),
            "margin_wrong": mean_of(wrong, pairs),
        }

    def _ratio(self, batch: Batch, draw: object) -> Tensor:
        """log p_theta - log p_ref at the same draw, (B,), nats."""
        reference = self.reference_likelihood(batch, draw, name="real")
        return cast(Likelihood, self.task.model).log_likelihood(batch.x, batch.labels, draw) - reference


def mean_of(values: Tensor, chosen: Tensor) -> Tensor:
    """The mean of the chosen values (B,), 0 where there is none."""
    return values.where(chosen, 0).sum() / chosen.sum().clamp(min=1)
