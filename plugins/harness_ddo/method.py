"""Direct discriminative optimisation on any model with a likelihood or a bound of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import torch
from torch import Tensor

from harness.capabilities import Likelihood, NullLabel
from harness.errors import UserError
from harness.interfaces import Batch
from harness.training.cached_likelihood import CachedLikelihood
from harness.training.method import FinetuneMethod, Task
from harness.training.micro_batches import rows_of
from harness.training.optimizer import Optimizer
from harness.training.precision import in_float32
from harness_ddo import DDOConfig
from harness_ddo.loss import ddo_loss


class Values(NamedTuple):
    """Of half a batch: `ratio` (B,), log p_theta - log p_ref averaged over the draws; both logarithms at each draw, in nats;
    and whether they are exact."""

    ratio: Tensor
    theta: Tensor
    reference: Tensor
    is_exact: bool

    def detached(self) -> Values:
        """Without gradients, for the logs."""
        return Values(self.ratio.detach(), self.theta.detach(), self.reference, self.is_exact)


class DDO(FinetuneMethod):
    """Minimises -log s(beta r(real)) - alpha log(1 - s(beta r(fake))), with r = log p_theta - log p_ref.

    The model is its own discriminator: s(r) tells data from samples of the frozen reference, which theta starts at.
    Where the likelihood is a bound, theta and the reference share the random draw, so that r starts at exactly 0.
    Between rounds the reference becomes the current model. Source: arXiv 2503.01103.
    """

    config: DDOConfig

    def __init__(self, config: DDOConfig, task: Task) -> None:
        super().__init__(config, task)
        self.reference = task.frozen_copy()
        self.reference_likelihood = CachedLikelihood(self.reference)
        self.keep(reference=self.reference, reference_likelihood=self.reference_likelihood)
        self._number = 0
        self._renew_optimizer()
        self._bank: Batch | None = None

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """One update on `task.batch` real and as many generated examples.

        Logs `loss`; `accuracy`, the share of pairs with r(real) > r(fake); `margin_real` and `margin_fake`, the means
        of r in nats; `logit_std`, the standard deviation of beta * r over both halves, which should be of order 1 or
        less. Pairs that lost their label count in `margin_dropped` alone. Where the likelihood is exact, also
        `cross_entropy` and `cross_entropy_ref`, of the real examples under theta and the reference, in nats an example.
        """
        self._enter_round(index * self.config.rounds // self.task.steps)
        fake = self._fakes(batch, generator)
        dropped = self._dropped(batch, generator)
        if dropped is not None:
            null = cast(NullLabel, self.task.model).null_label
            batch, fake = (replace(half, labels=half.labels.where(~dropped, null)) for half in (batch, fake))  # type: ignore[union-attr]
        halves: list[tuple[Values, Values]] = []
        # A ratio is a small difference of sums over many dimensions, and its sign is the signal: no bfloat16 here.
        with in_float32(self.task.device):
            loss = self.optimizer.update_in_parts(self._losses(batch, fake, dropped, generator, halves))
        real, fakes = (joined(half) for half in zip(*halves, strict=True))
        return {"loss": loss, **self._logs(real, fakes, dropped)}

    def _fakes(self, batch: Batch, generator: torch.Generator) -> Batch:
        """As many samples of the reference as there are real examples."""
        if self.config.fakes == "online":
            labels, classes = batch.labels, self.task.spec.classes
            if classes and not self.config.same_labels:
                labels = torch.randint(classes, (len(batch),), generator=generator).to(self.task.device)
            return Batch(self.task.sample(self.reference, len(batch), labels, generator), labels)
        if self._bank is None:
            self._bank = self.task.bank(self.reference, self.config.bank_size, f"round-{self._number}")
        if self.config.same_labels:
            return self._bank[same_labels(self._bank, batch, generator)]
        chosen = torch.randint(len(self._bank), (len(batch),), generator=generator)
        return self._bank[chosen.to(self.task.device)]

    def _dropped(self, batch: Batch, generator: torch.Generator) -> Tensor | None:
        """(B,) bool, pairs that lose their label; None where none ever does."""
        if not self.config.drop_label:
            return None
        return (torch.rand(len(batch), generator=generator) < self.config.drop_label).to(self.task.device)

    def _logs(self, real: Values, fake: Values, dropped: Tensor | None) -> dict[str, Tensor]:
        real_ratio, fake_ratio = real.ratio, fake.ratio
        whole = torch.ones_like(real_ratio, dtype=torch.bool) if dropped is None else ~dropped
        logs = {
            "accuracy": mean_of((real_ratio > fake_ratio).float(), whole),
            "margin_real": mean_of(real_ratio, whole),
            "margin_fake": mean_of(fake_ratio, whole),
            "logit_std": (self.config.beta * torch.cat([real_ratio, fake_ratio])).std(correction=0),
        }
        if dropped is not None:
            logs["margin_dropped"] = mean_of(real_ratio, dropped)
        if real.is_exact:
            logs |= {"cross_entropy": -real.theta.mean(), "cross_entropy_ref": -real.reference.mean()}
        return logs

    def state_dict(self) -> dict[str, object]:
        """Reference, optimiser and their round; the bank comes back from the harness, by the reference's hash."""
        return {**super().state_dict(), "round": self._number}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore what `state_dict` gave."""
        self._number = int(cast(int, state["round"]))
        self._renew_optimizer()  # a round's length is part of its learning-rate schedule
        super().load_state_dict(state)
        self._bank = None

    def _losses(
        self, real: Batch, fake: Batch, dropped: Tensor | None, generator: torch.Generator, halves: list[tuple[Values, Values]]
    ) -> Iterator[Tensor]:
        """The loss as terms that add up to it, one a micro-batch; each one's values of real and fake are put in `halves`."""
        n, model, config = len(real), cast(Likelihood, self.task.model), self.config
        draw = model.draw(self._copies(real).x, generator)
        fake_draw = draw if config.shared_draw else model.draw(self._copies(fake).x, generator)
        for part in self.task.micro_batches(n):
            is_whole = part == slice(0, n)
            # Draws are made for n_mc copies of the batch at once, copy by copy: row i of copy k is row k * B + i.
            rows = torch.cat([torch.arange(n)[part] + copy * n for copy in range(config.n_mc)])
            reals = self._value(self._copies(real[part]), draw if is_whole else rows_of(draw, rows), "real")
            fakes = self._value(self._copies(fake[part]), fake_draw if is_whole else rows_of(fake_draw, rows), "fake")
            halves.append((reals.detached(), fakes.detached()))
            lost = None if dropped is None else dropped[part]
            loss = ddo_loss(reals.ratio, fakes.ratio, alpha=config.alpha, beta=config.beta, dropped=lost)
            yield loss * (len(reals.ratio) / n) / (max(config.alpha, 1.0) if config.divide else 1.0)

    def _copies(self, batch: Batch) -> Batch:
        n = self.config.n_mc
        if n == 1:
            return batch
        labels = None if batch.labels is None else batch.labels.repeat(n)
        return Batch(batch.x.repeat(n, *[1] * (batch.x.dim() - 1)), labels)

    def _value(self, batch: Batch, draw: object, name: str) -> Values:
        """log p_theta and log p_ref at the same draws, and their difference, averaged over them: (B,)."""
        reference = self.reference_likelihood(batch, draw, name=name)
        theta = cast(Likelihood, self.task.model).log_likelihood(batch.x, batch.labels, draw)
        return Values((theta - reference).view(self.config.n_mc, -1).mean(0), theta, reference, draw is None)

    def _enter_round(self, number: int) -> None:
        """At a round's first step: the model becomes the reference, with a new bank and a new optimiser."""
        if number == self._number:
            return
        self._number = number
        self.reference.load_state_dict(self.task.model.state_dict())
        self.reference_likelihood.forget()
        self._renew_optimizer()
        self._bank = None

    def _renew_optimizer(self) -> None:
        updates = self._first_step(self._number + 1) - self._first_step(self._number)
        self.optimizer = Optimizer(self.config.optimizer, self.task.model.parameters(), updates=updates)
        self.keep(optimizer=self.optimizer)

    def _first_step(self, number: int) -> int:
        """The smallest index of a round: steps are cut into rounds that differ by one at most."""
        return -(-number * self.task.steps // self.config.rounds)


def joined(parts: Sequence[Values]) -> Values:
    """The values of a batch, of those of its micro-batches."""
    ratio, theta, reference = (torch.cat(each) for each in list(zip(*parts, strict=True))[:3])
    return Values(ratio, theta, reference, parts[0].is_exact)


def same_labels(bank: Batch, batch: Batch, generator: torch.Generator) -> Tensor:
    """(B,) rows of the bank, drawn at random among those with the label of each example.

    Raises: UserError for a label that the bank has not.
    """
    assert bank.labels is not None, "checked with the board"
    assert batch.labels is not None, "checked with the board"
    order, counts = bank.labels.argsort(stable=True), bank.labels.bincount(minlength=int(batch.labels.max()) + 1)
    available, first = counts[batch.labels], (counts.cumsum(0) - counts)[batch.labels]
    if not available.all():
        raise UserError(f"ddo: a bank of {len(bank)} has no sample of some class; raise bank_size")
    share = torch.rand(len(batch), generator=generator, dtype=torch.float64).to(bank.x.device)
    return order[first + (share * available).long()]


def mean_of(values: Tensor, chosen: Tensor) -> Tensor:
    """The mean of the chosen values (B,), 0 where there is none."""
    return values.where(chosen, 0).sum() / chosen.sum().clamp(min=1)
