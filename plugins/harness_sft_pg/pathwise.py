"""Shortcut fine-tuning with the critic's gradient through the sampler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from harness.capabilities import Transitions
from harness.interfaces import Batch
from harness.toolkit.transitions import rollout, rollout_in_parts
from harness.training.method import FinetuneMethod, Task
from harness.training.optimizer import Optimizer
from harness.training.precision import in_float32
from harness_sft_pg import ShortcutConfig, choice
from harness_sft_pg.losses import frozen, gradient_penalty


class SFT(FinetuneMethod):
    """Lowers an integral probability metric between samples and data with the critic's gradient through all T steps.

    The critic f maximises E f(sample) - E f(real), less a gradient penalty. A sample is a differentiable function of its noise,
    x_T = g_theta(z_0, …, z_T), so the network descends on E f(g_theta(z)) by the chain rule through the T steps. Memory grows
    with T. Source: arXiv 2301.13362, Section 4 (its baseline "SFT").
    """

    config: ShortcutConfig

    def __init__(self, config: ShortcutConfig, task: Task) -> None:
        super().__init__(config, task)
        self.model = cast(Transitions, task.model)
        self.critic = choice.critic(config, task.spec).to(task.device)
        updates = task.steps // config.n_critic * config.n_generator
        self.generator_optimizer = Optimizer(config.generator_optimizer, task.model.parameters(), updates=updates)
        self.critic_optimizer = Optimizer(config.critic_optimizer, self.critic.parameters(), updates=task.steps)
        self.keep(critic=self.critic, generator_optimizer=self.generator_optimizer, critic_optimizer=self.critic_optimizer)

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """Update the critic once; at each `n_critic`-th step, then update the network `n_generator` times on new samples.

        Logs `critic_gap`, mean f(sample) - mean f(real), and `gradient_penalty`; in generator phases also
        `critic_fake`, mean f(sample).
        """
        if index == 0:
            choice.initialise(self.critic, generator)
        logged = self._improve_critic(batch.x, generator)
        if (index + 1) % self.config.n_critic == 0:
            for _ in range(self.config.n_generator):
                logged |= self._improve_generator(len(batch), generator)
        return logged

    @property
    def period(self) -> int:
        """The steps from one update of the network to the next."""
        return self.config.n_critic

    def _noise(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw the noise of n trajectories, (T + 1, n, …): the first state and that of each step."""
        noise = torch.randn(self.model.transitions + 1, n, *self.task.spec.shape, generator=generator)
        return noise.to(self.task.device)

    def _improve_critic(self, real: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        with in_float32(self.task.device):  # the gap is a small difference of large numbers
            with torch.no_grad():
                noise = self._noise(len(real), generator)
                fake = rollout_in_parts(self.model, noise, self.task.micro_batches(len(real)))[-1]
            gap = self.critic(fake).mean() - self.critic(real).mean()
            penalty = gradient_penalty(self.critic, real, fake, generator)
        self.critic_optimizer.update(self.config.gradient_penalty * penalty - gap)
        return {"critic_gap": gap.detach(), "gradient_penalty": penalty.detach()}

    def _score(self, samples: Tensor) -> Tensor:
        """Return the critic's scores of samples, in float32."""
        with in_float32(self.task.device):
            return cast(Tensor, self.critic(samples.float()))

    def _improve_generator(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        with frozen(self.critic):
            noise = self._noise(n, generator)
            parts = self.task.micro_batches(n)
            losses = (self._score(rollout(self.model, noise[:, part])[-1]).sum() / n for part in parts)  # one graph at a time
            loss = self.generator_optimizer.update_in_parts(losses)
        return {"critic_fake": loss}
