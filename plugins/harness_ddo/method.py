"""Direct discriminative optimisation on any model with a likelihood or a bound of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor

from harness.capabilities import Likelihood
from harness.interfaces import Batch
from harness.training.method import FinetuneMethod, Task
from harness.training.numerics import in_float32
from harness.training.optimizer import Optimizer
from harness.training.parts import take
from harness_ddo import DDOConfig
from harness_ddo.loss import ddo_loss


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
        self.keep(reference=self.reference)
        self._number = 0
        self._renew_optimizer()
        self._bank: Batch | None = None

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """One update on `task.batch` real and as many generated examples.

        Logs `loss`; `accuracy`, the share of pairs with r(real) > r(fake); `margin_real` and `margin_fake`, the means
        of r in nats; `logit_std`, the standard deviation of beta * r over both halves, which should be of order 1 or
        less.
        """
        self._enter_round(index * self.config.rounds // self.task.steps)
        if self._bank is None:
            self._bank = self.task.bank(self.reference, self.config.bank_size, f"round-{self._number}")
        chosen = torch.randint(len(self._bank), (len(batch),), generator=generator)
        fake = self._bank[chosen.to(self.task.device)]
        ratios: list[tuple[Tensor, Tensor]] = []
        # A ratio is a small difference of sums over many dimensions, and its sign is the signal: no bfloat16 here.
        with in_float32(self.task.device):
            loss = self.optimizer.update_in_parts(self._losses(batch, fake, generator, ratios))
        real_ratio, fake_ratio = (torch.cat(half) for half in zip(*ratios, strict=True))
        return {
            "loss": loss,
            "accuracy": (real_ratio > fake_ratio).float().mean(),
            "margin_real": real_ratio.mean(),
            "margin_fake": fake_ratio.mean(),
            "logit_std": (self.config.beta * torch.cat([real_ratio, fake_ratio])).std(correction=0),
        }

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
        self, real: Batch, fake: Batch, generator: torch.Generator, ratios: list[tuple[Tensor, Tensor]]
    ) -> Iterator[Tensor]:
        """The loss as terms that add up to it, one a micro-batch; each one's ratios of real and fake are put in `ratios`."""
        n, model = len(real), cast(Likelihood, self.task.model)
        draw = model.draw(self._copies(real).x, generator)
        fake_draw = draw if self.config.shared_draw else model.draw(self._copies(fake).x, generator)
        for part in self.task.parts(n):
            is_whole = part == slice(0, n)
            # Draws are made for n_mc copies of the batch at once, copy by copy: row i of copy k is row k * B + i.
            rows = torch.cat([torch.arange(n)[part] + copy * n for copy in range(self.config.n_mc)])
            real_ratio = self._ratio(self._copies(real[part]), draw if is_whole else take(draw, rows))
            fake_ratio = self._ratio(self._copies(fake[part]), fake_draw if is_whole else take(fake_draw, rows))
            ratios.append((real_ratio.detach(), fake_ratio.detach()))
            loss = ddo_loss(real_ratio, fake_ratio, alpha=self.config.alpha, beta=self.config.beta)
            yield loss * (len(real_ratio) / n)

    def _copies(self, batch: Batch) -> Batch:
        n = self.config.n_mc
        if n == 1:
            return batch
        labels = None if batch.labels is None else batch.labels.repeat(n)
        return Batch(batch.x.repeat(n, *[1] * (batch.x.dim() - 1)), labels)

    def _ratio(self, batch: Batch, draw: object) -> Tensor:
        """log p_theta - log p_ref at the same draws, averaged over them: (n_mc * B examples) -> (B,), nats."""
        with torch.no_grad():
            log_p_ref = cast(Likelihood, self.reference).log_likelihood(batch.x, batch.labels, draw)
        log_p_theta = cast(Likelihood, self.task.model).log_likelihood(batch.x, batch.labels, draw)
        return (log_p_theta - log_p_ref).view(self.config.n_mc, -1).mean(0)

    def _enter_round(self, number: int) -> None:
        """At a round's first step: the model becomes the reference, with a new bank and a new optimiser."""
        if number == self._number:
            return
        self._number = number
        self.reference.load_state_dict(self.task.model.state_dict())
        self._renew_optimizer()
        self._bank = None

    def _renew_optimizer(self) -> None:
        updates = self._first_step(self._number + 1) - self._first_step(self._number)
        self.optimizer = Optimizer(self.config.optimizer, self.task.model.parameters(), updates=updates)
        self.keep(optimizer=self.optimizer)

    def _first_step(self, number: int) -> int:
        """The smallest index of a round: steps are cut into rounds that differ by one at most."""
        return -(-number * self.task.steps // self.config.rounds)
