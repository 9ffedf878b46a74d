"""Shortcut fine-tuning with policy gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor

from harness.capabilities import Transitions
from harness.interfaces import Batch
from harness.toolkit.grey_levels import on_grey_levels
from harness.toolkit.transitions import rollout_in_parts, transition_log_prob
from harness.training.method import FinetuneMethod, Task
from harness.training.optimizer import Optimizer
from harness.training.precision import in_float32
from harness_sft_pg import SFTPGConfig, choice, spectral
from harness_sft_pg.buffer import TransitionBuffer
from harness_sft_pg.buffer import Transitions as DrawnTransitions
from harness_sft_pg.losses import backward_critic_and_value, gradient_penalty


class SFTPG(FinetuneMethod):
    """Lowers an integral probability metric between samples and data by policy gradient.

    The metric is max over f of E f(sample) - E f(real): the critic f is HIGH on samples, and the network lowers it. (A usual
    WGAN critic has the opposite sign.) States are counted from the noise x_0 to the sample x_T. Theorem 4.1:

        grad E f(x_T) = E [ f(x_T) * sum over k of grad log p(x_{k+1} | x_k) ]

    (Eq. 16 prints the log of a sum; the theorem's proof has the sum of logs, which is the gradient.) It needs f's values only,
    and no gradient through the chain. A baseline lowers its variance: f(x_T) becomes the advantage f(x_T) - V(x_k, k), without
    bias, since the mean of grad log p(x_{k+1} | x_k) given x_k is 0.

    A step of the harness is one rollout of the current network, and one update of f and V on that rollout and the real batch.
    At each `n_critic`-th step, `n_generator` updates of the network follow, on transitions of the last `n_critic` rollouts.
    All but the first of them are off-policy, without an importance ratio: Theorem 4.2 holds near the network that made the
    rollouts, which is why images take a small rate and a clipped gradient (`generator_optimizer: {clip: 0.1}`).

    With `regulariser: gradient-penalty` or `spectral-norm` V is still fitted and subtracted, but its error stays out of the
    critic.
    Source: arXiv 2301.13362, Algorithm 1; `losses.py` has the objective of f and V.
    """

    config: SFTPGConfig

    def __init__(self, config: SFTPGConfig, task: Task) -> None:
        super().__init__(config, task)
        self.model = cast(Transitions, task.model)
        self.critic = choice.critic(config, task.spec)
        if config.regulariser == "spectral-norm":
            spectral.constrain(self.critic)
        self.critic.to(task.device)
        self.value = choice.value(config, task.spec, self.model.transitions).to(task.device)
        updates = task.steps // config.n_critic * config.n_generator
        self.generator_optimizer = Optimizer(config.generator_optimizer, task.model.parameters(), updates=updates)
        self.critic_optimizer = Optimizer(config.critic_optimizer, self.critic.parameters(), updates=task.steps)
        self.value_optimizer = Optimizer(config.value_optimizer, self.value.parameters(), updates=task.steps)
        self.buffer = TransitionBuffer()
        self.keep(
            critic=self.critic,
            value=self.value,
            generator_optimizer=self.generator_optimizer,
            critic_optimizer=self.critic_optimizer,
            value_optimizer=self.value_optimizer,
            buffer=self.buffer,
        )

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """Update the critic and V once; at each `n_critic`-th step, then go through a generator phase.

        Logs `critic_gap`, mean f(sample) - mean f(real), and `value_loss`, the mean squared error of V; in generator
        phases also `policy_loss` and `advantage_std`.
        """
        if index == 0:
            self._initialise(generator)
        states = self._rollout(len(batch), generator)
        self.buffer.add(states)
        logged = self._improve_critic(batch.x, states, generator)
        if (index + 1) % self.config.n_critic == 0:
            for _ in range(self.config.n_generator):
                logged |= self._improve_generator(len(batch), generator)
            self.buffer.clear()
        return logged

    @property
    def period(self) -> int:
        """The steps from one generator phase to the next."""
        return self.config.n_critic

    def _initialise(self, generator: torch.Generator) -> None:
        """Draw the first weights of critic and value network."""
        if self.config.regulariser == "spectral-norm":
            plain = choice.critic(self.config, self.task.spec).to(self.task.device)
            choice.initialise(plain, generator)
            spectral.initialise(self.critic, plain, generator)
        else:
            choice.initialise(self.critic, generator)
        choice.initialise(self.value, generator)

    @torch.no_grad()
    def _rollout(self, n: int, generator: torch.Generator) -> Tensor:
        """Sample n trajectories of the current network, (T + 1, n, …)."""
        noise = torch.randn(self.model.transitions + 1, n, *self.task.spec.shape, generator=generator)
        with in_float32(self.task.device):
            return rollout_in_parts(self.model, noise.to(self.task.device), self.task.micro_batches(n))

    def _seen(self, samples: Tensor) -> Tensor:
        """Return samples (n, …) as the critic sees them. The theorem needs its values only: rounding costs no gradient."""
        return on_grey_levels(Batch(samples), self.config.grey_levels).x if self.config.grey_levels else samples

    def _improve_critic(self, real: Tensor, states: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        is_baseline, fakes = self.config.regulariser == "baseline", self._seen(states[-1])
        self.critic_optimizer.zero()
        self.value_optimizer.zero()
        with in_float32(self.task.device):  # f - V and the gap are small differences of large numbers
            logged = backward_critic_and_value(
                self.critic, self.value, real, states, fakes=fakes, weight=self.config.regulariser_weight, couple=is_baseline
            )
            if self.config.regulariser == "gradient-penalty":
                penalty = gradient_penalty(self.critic, real, fakes, generator)
                (self.config.gradient_penalty * penalty).backward()
        self.critic_optimizer.apply()
        self.value_optimizer.apply()
        return dict(logged)

    def _improve_generator(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        drawn = self.buffer.draw(n, generator)
        with torch.no_grad(), in_float32(self.task.device):
            advantage = (self.critic(self._seen(drawn.final)) - self.value(drawn.x, drawn.step)).squeeze(1)
        loss = self.generator_optimizer.update_in_parts(self._policy_losses(drawn, advantage))
        return {"policy_loss": loss, "advantage_std": advantage.std(correction=0)}

    def _policy_losses(self, drawn: DrawnTransitions, advantage: Tensor) -> Iterator[Tensor]:
        """Yield the mean of advantage * log p over all transitions, as terms that add up to it, one a micro-batch.

        The transitions are of random steps, so this mean is 1/T of the theorem's sum over the steps: the factor is part of the
        published learning rates. It meets `clip` too, which compares the norm after the factor: at clip 0.1, a gradient of the
        theorem's sum is cut from a norm of 0.1 T on. `log_prob: mean` divides by the number of dimensions too, as the published
        image code does.
        """
        for part in self.task.micro_batches(len(advantage)):
            log_prob = transition_log_prob(self.model, drawn.x_next[part], drawn.x[part], drawn.step[part])
            if self.config.log_prob == "mean":
                log_prob = log_prob / math.prod(self.task.spec.shape)
            share = len(log_prob) / len(advantage)
            yield (advantage[part] * log_prob).mean() * share
