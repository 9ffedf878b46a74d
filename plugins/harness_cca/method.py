"""Condition contrastive alignment of any model with labels and a likelihood or a bound of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.capabilities import Likelihood, NullLabel
from harness.interfaces import Batch
from harness.toolkit.contrast import labels_of, masked_mean
from harness.training.cached_likelihood import CachedLikelihood
from harness.training.method import FinetuneMethod, Task
from harness.training.micro_batches import rows_of
from harness.training.optimizer import Optimizer
from harness.training.precision import in_float32
from harness_cca import CCAConfig


def cca_loss(own: Tensor, wrong: Tensor, positive: Tensor, *, beta: float, weight: float) -> Tensor:
    """Return the objective of CCA, 0-dim, the mean over the batch.

    With r(x, c) = log p_theta(x | c) - log p_ref(x | c), s the sigmoid and lambda the weight of wrong labels,

        L = [ - log s(beta r(x, c)) - lambda log s(- beta r(x, c_wrong)) ] / max(lambda, 1).

    L is noise contrastive estimation of log [p(x | c) / p(x)], the term that guidance adds to the logits. A model at the optimum
    therefore draws in one network call, without guidance, the samples that the base draws with guidance.

    A row without a negative has the first term twice and not the second: the published trainer sends every image through the
    network with both labels, and counts the second pass as a positive too where that label is no wrong one. Such a row weighs
    2 / max(lambda, 1) after the division: twice as much as the first term of a pair.

    Args:
        own, wrong: (B,), r in nats, given the example's own label and another example's.
        positive: (B,) bool, rows without a negative. weight: lambda.
    Source: arXiv 2410.09347, Eq. 11; the rows without a negative and the division are those of its published trainer.
    """
    raised, lowered = -F.logsigmoid(beta * own), -F.logsigmoid(-beta * wrong)
    return (raised + torch.where(positive, raised, weight * lowered)).mean() / max(weight, 1.0)


class CCA(FinetuneMethod):
    """Raises the likelihood of images given their own labels, and lowers it given those of their neighbours in the batch.

    Both are relative to a frozen reference, the base. The method needs no samples. Source: arXiv 2410.09347.
    """

    config: CCAConfig

    def __init__(self, config: CCAConfig, task: Task) -> None:
        super().__init__(config, task)
        self.reference = task.frozen_copy()
        self.reference_likelihood = CachedLikelihood(self.reference)
        self.optimizer = Optimizer(config.optimizer, task.model.parameters(), updates=task.steps)
        self.keep(reference=self.reference, reference_likelihood=self.reference_likelihood, optimizer=self.optimizer)

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """Take one optimiser step, one micro-batch after the other.

        Logs `loss`, and of the rows with a negative: `accuracy`, the share whose ratio r is higher for the own label, and the
        mean ratios `margin_own` and `margin_wrong` in nats.
        """
        own_labels = labels_of(batch)
        dropped = (torch.rand(len(batch), generator=generator) < self.config.drop_label).to(self.task.device)
        wrong_labels = own_labels.roll(1)  # the order of the data is random, so a neighbour's label is a random one
        positive = dropped | (wrong_labels == own_labels)
        own_labels = own_labels.where(~dropped, cast(NullLabel, self.task.model).null_label)
        # One draw for both labels and both networks: most of its noise cancels in each ratio and between the two.
        draw = cast(Likelihood, self.task.model).draw(batch.x, generator)
        own, wrong = [], []

        def losses() -> Iterator[Tensor]:
            for part in self.task.micro_batches(len(batch)):
                examples, part_draw = batch[part], draw_of(draw, part, len(batch))
                own.append(self._ratio(examples, own_labels[part], part_draw))
                wrong.append(self._ratio(examples, wrong_labels[part], part_draw))
                loss = cca_loss(own[-1], wrong[-1], positive[part], beta=self.config.beta, weight=self.config.weight)
                own[-1], wrong[-1] = own[-1].detach(), wrong[-1].detach()  # for the logs: no graph stays
                yield loss * (len(examples) / len(batch))  # the shares add up to the mean over the batch

        # A ratio is a small difference of sums over many dimensions, and its sign is the signal: no bfloat16 here.
        with in_float32(self.task.device):
            loss = self.optimizer.update_in_parts(losses())
        return {"loss": loss, **_logs(torch.cat(own), torch.cat(wrong), ~positive)}

    def _ratio(self, batch: Batch, labels: Tensor, draw: object) -> Tensor:
        """Return r = log p_theta - log p_ref of the examples given these labels, at the same draw, (B,), nats."""
        reference = self.reference_likelihood(replace(batch, labels=labels), draw, name="real")
        return cast(Likelihood, self.task.model).log_likelihood(batch.x, labels, draw) - reference


def draw_of(draw: object, part: slice, n: int) -> object:
    """Return the rows of a draw for n examples. A whole draw stays as it is: some cannot be cut, such as a seed of dropout."""
    return draw if part == slice(0, n) else rows_of(draw, part)


def _logs(own: Tensor, wrong: Tensor, has_negative: Tensor) -> dict[str, Tensor]:
    """Return the scalars to log, from r (B,) for the own and the wrong label."""
    return {
        "accuracy": masked_mean((own > wrong).float(), has_negative),
        "margin_own": masked_mean(own, has_negative),
        "margin_wrong": masked_mean(wrong, has_negative),
    }
