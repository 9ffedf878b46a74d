"""Direct discriminative optimisation of any model with a likelihood or a bound of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import torch
from torch import Tensor

from harness.capabilities import NullLabel
from harness.interfaces import Batch
from harness.toolkit.contrast import labels_of, masked_mean
from harness.toolkit.grey_levels import on_grey_levels
from harness.training.cached_likelihood import CachedLikelihood
from harness.training.method import Bank, FinetuneMethod, Task
from harness.training.micro_batches import rows_of
from harness.training.optimizer import Optimizer
from harness.training.precision import in_float32
from harness.training.rounds import Round
from harness_ddo import DDOConfig
from harness_ddo.fakes import rows_with_labels
from harness_ddo.loss import ddo_loss
from harness_ddo.ratios import weighted


class Half(NamedTuple):
    """The real or the generated half of a batch: B examples, and what is random about their likelihoods.

    Args:
        kind: "real" or "fake", the name under which the reference's likelihoods are kept.
        draw: for `n_mc` copies of the examples, copy by copy: row k * B + i belongs to copy k of example i. None where the
            likelihood is exact.
    """

    kind: str
    examples: Batch
    draw: object


class LogLikelihoods(NamedTuple):
    """Log-likelihoods of B examples, in the unit of the model's: nats, but for diffusion with weights other than the bound's.

    Args:
        ratio: (B,), r = log p_theta - log p_ref, the mean over the draws of each example.
        theta, reference: (n_mc * B,), log p_theta and log p_ref at each draw.
        is_exact: False where they are terms of a bound.
    """

    ratio: Tensor
    theta: Tensor
    reference: Tensor
    is_exact: bool

    def detached(self) -> LogLikelihoods:
        """Return the values without their graph, for the logs."""
        return self._replace(ratio=self.ratio.detach(), theta=self.theta.detach())


class DDO(FinetuneMethod):
    """Minimises -log s(beta r(real)) - alpha log(1 - s(beta r(fake))), with r = log p_theta - log p_ref.

    The model is its own discriminator: s(beta r) tells data from samples of the frozen reference, which theta starts at.
    Where the likelihood is a bound, theta and the reference share the random draw, so that r starts at exactly 0 and most of
    the draw's noise cancels in it. At the start of each round the current model becomes the reference.
    Source: arXiv 2503.01103; `loss.py` has the equations.
    """

    config: DDOConfig
    _bank: Bank | None

    def __init__(self, config: DDOConfig, task: Task) -> None:
        super().__init__(config, task)
        self.reference = task.frozen_copy()
        self.reference_likelihood = CachedLikelihood(self.reference)
        self.keep(reference=self.reference, reference_likelihood=self.reference_likelihood)
        self._schedule = config.schedule(task.steps)
        self._enter(self._schedule.all[0])

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """Take one optimiser step on `task.batch` real and as many generated examples.

        Logs `loss`; `accuracy`, the share of pairs with r(real) > r(fake); `margin_real` and `margin_fake`, the means of r;
        `logit_std`, the standard deviation of beta * r over both halves, which should be of order 1 or less.
        Where labels are dropped, pairs that lost theirs count in `margin_dropped` and `logit_std` alone. Where the likelihood is
        exact, `cross_entropy` and `cross_entropy_ref` are those of the real examples under theta and the reference, in nats an
        example.
        """
        fakes = self._fakes(batch, generator)
        if self.config.grey_levels:
            fakes = on_grey_levels(fakes, self.config.grey_levels)
        dropped = self._dropped(batch, generator)
        if dropped is not None:
            batch, fakes = self._without_labels(batch, dropped), self._without_labels(fakes, dropped)
        # A ratio is a small difference of sums over many dimensions, and its sign is the signal: no bfloat16 here.
        with in_float32(self.task.device):
            real, fake = self._halves(batch, fakes, generator)
            loss, of_real, of_fake = self._update(real, fake, dropped)
        return {"loss": loss, **self._logs(of_real, of_fake, dropped)}

    def begin_round(self, part: Round) -> None:
        """Make the current model the reference, with a new bank and a new optimiser."""
        self.reference.load_state_dict(self.task.model.state_dict())
        self.reference_likelihood.forget()
        self._enter(part)

    def state_dict(self) -> dict[str, object]:
        """Return the reference, the optimiser and the round. The harness has the bank, under the reference's hash."""
        return {**super().state_dict(), "round": self._part.number, "candidate": self._part.candidate}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore what `state_dict` returned."""
        where = state["round"], state.get("candidate", 0)  # absent in checkpoints of older versions
        self._enter(next(part for part in self._schedule.all if (part.number, part.candidate) == where))
        super().load_state_dict(state)

    def _fakes(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return as many samples of the reference as there are real examples: new ones, or rows of the round's bank."""
        as_tokens = self.config.samples_as == "tokens"
        if self.config.fakes == "online":
            labels, classes = batch.labels, self.task.spec.classes
            if classes and not self.config.same_labels:
                labels = torch.randint(classes, (len(batch),), generator=generator).to(self.task.device)
            return Batch(self.task.sample(self.reference, len(batch), labels, generator, as_tokens=as_tokens), labels)
        if self._bank is None:
            name, size = f"round-{self._part.number}", self.config.bank_size
            self._bank = self.task.bank(self.reference, size, name, as_tokens=as_tokens)
        if self.config.same_labels:
            return self._bank[rows_with_labels(self._bank, labels_of(batch), generator)]
        rows = torch.randint(len(self._bank), (len(batch),), generator=generator)
        return self._bank[rows.to(self.task.device)]

    def _dropped(self, batch: Batch, generator: torch.Generator) -> Tensor | None:
        """Return which pairs lose their label, (B,) bool; None where the settings drop none."""
        if not self.config.drop_label:
            return None
        return (torch.rand(len(batch), generator=generator) < self.config.drop_label).to(self.task.device)

    def _without_labels(self, batch: Batch, dropped: Tensor) -> Batch:
        """Return the batch with the null label where `dropped`."""
        return replace(batch, labels=labels_of(batch).where(~dropped, cast(NullLabel, self.task.model).null_label))

    def _halves(self, real: Batch, fakes: Batch, generator: torch.Generator) -> tuple[Half, Half]:
        """Draw what is random about the likelihoods of both halves, for the whole batch at once.

        Micro-batches take their rows of it, so that what an example draws does not depend on how the batch is cut.
        """
        draw = self._theta.draw(self._copies(real).x, generator)
        fake_draw = draw if self.config.shared_draw else self._theta.draw(self._copies(fakes).x, generator)
        return Half("real", real, draw), Half("fake", fakes, fake_draw)

    def _update(self, real: Half, fake: Half, dropped: Tensor | None) -> tuple[Tensor, LogLikelihoods, LogLikelihoods]:
        """Take one optimiser step on the loss of the whole batch, one micro-batch after the other.

        Each micro-batch goes through the network and back before the next one starts, so that memory holds one graph.
        Returns: the loss, 0-dim, and the log-likelihoods of the real and of the fake half, all without a graph.
        """
        total = torch.zeros((), device=self.task.device)
        of_real, of_fake = [], []
        self.optimizer.zero()
        for part in self.task.micro_batches(len(real.examples)):
            reals, fakes = self._log_likelihoods(real, part), self._log_likelihoods(fake, part)
            loss = self._loss(reals, fakes, None if dropped is None else dropped[part], len(real.examples))
            loss.backward()
            total = total + loss.detach()
            of_real.append(reals.detached())
            of_fake.append(fakes.detached())
        self.optimizer.apply()
        return total, joined(of_real), joined(of_fake)

    def _log_likelihoods(self, half: Half, part: slice) -> LogLikelihoods:
        """Return the log-likelihoods of some examples of a half, under theta and the reference, at the same draws."""
        n, copies = len(half.examples), self.config.n_mc
        examples, draw = self._copies(half.examples[part]), half.draw
        if part != slice(0, n):  # a whole draw goes on as it is: some cannot be cut, such as a seed of dropout
            draw = rows_of(draw, torch.cat([torch.arange(n)[part] + copy * n for copy in range(copies)]))
        reference = self.reference_likelihood(examples, draw, name=half.kind)
        theta = self._theta.log_likelihood(examples.x, examples.labels, draw)
        ratio = (theta - reference).view(copies, -1).mean(0)
        return LogLikelihoods(ratio, theta, reference, draw is None)

    def _loss(self, real: LogLikelihoods, fake: LogLikelihoods, dropped: Tensor | None, batch: int) -> Tensor:
        """Return a micro-batch's share of the loss of a batch of so many pairs; the shares add up to it."""
        alpha = self._alpha
        loss = ddo_loss(real.ratio, fake.ratio, alpha=alpha, beta=self._beta, dropped=dropped)
        return loss * (len(real.ratio) / batch) / (max(alpha, 1.0) if self.config.divide else 1.0)

    def _copies(self, batch: Batch) -> Batch:
        """Return the batch `n_mc` times, copy by copy."""
        n = self.config.n_mc
        if n == 1:
            return batch
        labels = None if batch.labels is None else batch.labels.repeat(n)
        return Batch(batch.x.repeat(n, *[1] * (batch.x.dim() - 1)), labels)

    def _logs(self, real: LogLikelihoods, fake: LogLikelihoods, dropped: Tensor | None) -> dict[str, Tensor]:
        labelled = torch.ones_like(real.ratio, dtype=torch.bool) if dropped is None else ~dropped
        logs = {
            "accuracy": masked_mean((real.ratio > fake.ratio).float(), labelled),
            "margin_real": masked_mean(real.ratio, labelled),
            "margin_fake": masked_mean(fake.ratio, labelled),
            "logit_std": (self._beta * torch.cat([real.ratio, fake.ratio])).std(correction=0),
        }
        if dropped is not None:
            logs["margin_dropped"] = masked_mean(real.ratio, dropped)
        if real.is_exact:
            logs |= {"cross_entropy": -real.theta.mean(), "cross_entropy_ref": -real.reference.mean()}
        return logs

    def _enter(self, part: Round) -> None:
        """Begin a round, or go on in it: with its settings, a new optimiser, and no bank yet."""
        self._part = part
        self._bank = None
        self._alpha, self._beta = self._setting("alpha"), self._setting("beta")
        self._theta = weighted(self.task.model, self.config, part)
        self.reference_likelihood.model = weighted(self.reference, self.config, part)
        rate = self.config.value("rate", part)
        settings = self.config.optimizer if rate is None else self.config.optimizer.model_copy(update={"lr": rate})
        self.optimizer = Optimizer(settings, self.task.model.parameters(), updates=part.steps)
        self.keep(optimizer=self.optimizer)

    def _setting(self, name: str) -> float:
        value = self.config.value(name, self._part)
        assert value is not None  # alpha and beta have defaults
        return value


def joined(parts: Sequence[LogLikelihoods]) -> LogLikelihoods:
    """Return the log-likelihoods of a batch from those of its micro-batches, in their order."""
    return LogLikelihoods(
        ratio=torch.cat([part.ratio for part in parts]),
        theta=torch.cat([part.theta for part in parts]),
        reference=torch.cat([part.reference for part in parts]),
        is_exact=parts[0].is_exact,
    )
