"""The DDPM as the harness uses it: loss, likelihood bound, and the chain of Gaussian transitions."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor

from harness.capabilities import Gaussian
from harness.interfaces import DataSpec
from harness_ddpm import DDPMConfig
from harness_ddpm.network import NoiseMLP
from harness_ddpm.schedules import coefficients


class NoisyStep(NamedTuple):
    """The random part of the bound: `t` (B,) int64, 0 = least noisy, and `eps` (B, …), standard normal."""

    t: Tensor
    eps: Tensor


class DDPM(NoiseMLP):
    """A diffusion chain of T steps around the noise-prediction network.

    Provides Trains, Likelihood and Transitions. It is unconditional: labels are ignored. The schedule is held in
    buffers that are not part of the state dict, so that the published weights load as they are.
    """

    def __init__(self, config: DDPMConfig, spec: DataSpec) -> None:
        super().__init__(spec.shape, config.steps, config.width)
        self.config, self.spec = config, spec
        for name, values in coefficients(config).items():
            self.register_buffer(name, values, persistent=False)

    def coefficient(self, name: str, t: int | Tensor) -> Tensor:
        """A schedule's value at t: 0-dim for one index, (B, 1, …) for a batch of indices."""
        values: Tensor = self.get_buffer(name)[t]
        return values if values.dim() == 0 else values.view(-1, *[1] * len(self.spec.shape))

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Squared error of the predicted noise, (B,), mean over dimensions. Source: Ho et al. 2020, Eq. 14."""
        draw = self.draw(x, generator)
        return -self.log_likelihood(x, labels, draw) / math.prod(self.spec.shape)

    def draw(self, x: Tensor, generator: torch.Generator) -> NoisyStep:
        """Steps and noise for a batch x (B, …).

        Steps are antithetic: t in the first half of the batch is paired with T - 1 - t in the second, which makes the
        batch's mean less noisy; each t alone is uniform. Drawn on the CPU and moved to x.
        """
        half = torch.randint(self.config.steps, ((len(x) + 1) // 2,), generator=generator)
        t = torch.cat([half, self.config.steps - 1 - half])[: len(x)]
        eps = torch.randn(x.shape, generator=generator)
        return NoisyStep(t.to(x.device), eps.to(x.device))

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Minus the squared error of the predicted noise, (B,), summed over dimensions: the bound's term at this step
        with its weight set to one, as in the training loss."""
        t, eps = cast(NoisyStep, draw)
        noisy = self.coefficient("signal", t) * x + self.coefficient("noise", t) * eps
        return -(eps - self(noisy, t)).square().flatten(1).sum(1)

    @property
    def transitions(self) -> int:
        """Number of steps T."""
        return self.config.steps

    def transition(self, x: Tensor, step: int | Tensor) -> Gaussian:
        """The reverse step. Step 0 leaves the noise and step T - 1 lands on the data, with noise added there too.

        Args:
            x: (B, …). step: one index for all, or (B,) int64.
        Returns: mean (B, …); std 0-dim for one index, (B, 1, …) for a batch of them.
        A whole set of chains costs one network call: give states (T * B, …) in blocks of B, with
        `torch.arange(T).repeat_interleave(B)` as their steps.
        """
        t = self.config.steps - 1 - step  # the network counts from the data, sampling from the noise
        mean = self.coefficient("x_gain", t) * x - self.coefficient("eps_gain", t) * self(x, t)
        return Gaussian(mean, self.coefficient("stds", t))


def build(config: DDPMConfig, spec: DataSpec) -> DDPM:
    """A DDPM with random weights for data of this shape."""
    return DDPM(config, spec)
