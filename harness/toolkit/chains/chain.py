"""The diffusion chain around a network that predicts noise: loss, likelihood bound, and Gaussian transitions."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from harness.capabilities import Gaussian
from harness.interfaces import DataSpec
from harness.streams import seeded
from harness.toolkit.chains import ChainConfig, ImageChainConfig
from harness.toolkit.chains.fast_dpm import fast_schedule
from harness.toolkit.chains.schedules import betas, coefficients


class NoisyStep(NamedTuple):
    """The random part of the bound: `t` (B,) int64, 0 = least noisy, and `eps` (B, …), standard normal."""

    t: Tensor
    eps: Tensor


class NoisyStepAndMask(NamedTuple):
    """As `NoisyStep`, for a network that drops activations, and the `seed` of which ones."""

    t: Tensor
    eps: Tensor
    seed: int


class DiffusionChain(nn.Module):
    """Trains, Likelihood, Transitions and NoiseChain for a module whose `forward(x, t)` predicts the noise in x_t.

    It is unconditional: labels are ignored. Call `set_chain` at the end of `__init__`. The schedule is held in buffers
    that are not part of the state dict, so that published weights load as they are.
    """

    chain: ChainConfig
    spec: DataSpec
    steps: int
    dropout: float = 0.0
    takes_real_times: bool = False

    def set_chain(self, chain: ChainConfig, spec: DataSpec) -> None:
        """The settings of the chain, and the data."""
        self.chain, self.spec, self.steps = chain, spec, chain.steps
        for name, values in coefficients(chain).items():
            self.register_buffer(name, values, persistent=False)

    def coefficient(self, name: str, t: int | Tensor) -> Tensor:
        """A schedule's value at t: 0-dim for one index, (B, 1, …) for a batch of indices."""
        values: Tensor = self.get_buffer(name)[t]
        return values if values.dim() == 0 else values.view(-1, *[1] * len(self.spec.shape))

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Squared error of the predicted noise, (B,), mean over dimensions. Source: Ho et al. 2020, Eq. 14."""
        return self.training_loss_at(x, labels, self.training_draw(x, generator))

    def training_draw(self, x: Tensor, generator: torch.Generator) -> NoisyStep | NoisyStepAndMask:
        """As `draw`."""
        return self.draw(x, generator)

    def training_loss_at(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Squared error of the predicted noise at a draw, (B,), mean over dimensions."""
        return -self.log_likelihood(x, labels, draw) / math.prod(self.spec.shape)

    def draw(self, x: Tensor, generator: torch.Generator) -> NoisyStep | NoisyStepAndMask:
        """Steps and noise for a batch x (B, …).

        Steps are antithetic: t in the first half of the batch is paired with T - 1 - t in the second, which makes the
        batch's mean less noisy; each t alone is uniform. Drawn on the CPU and moved to x.
        """
        half = torch.randint(self.steps, ((len(x) + 1) // 2,), generator=generator)
        t = torch.cat([half, self.steps - 1 - half])[: len(x)]
        eps = torch.randn(x.shape, generator=generator)
        if not self.training or self.dropout == 0:
            return NoisyStep(t.to(x.device), eps.to(x.device))
        return NoisyStepAndMask(t.to(x.device), eps.to(x.device), int(torch.randint(2**62, (), generator=generator)))

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Minus the squared error of the predicted noise, (B,), summed over dimensions: the bound's term at this step
        with its weight set to one, as in the training loss."""
        t, eps, *seed = cast("NoisyStep | NoisyStepAndMask", draw)
        noisy = self.coefficient("signal", t) * x + self.coefficient("noise", t) * eps
        with seeded(seed[0] if seed else None, x.device):
            predicted = self(noisy, t)
        return -(eps - predicted).square().flatten(1).sum(1)

    @property
    def chain_betas(self) -> Tensor:
        """(T,), float64: variances of the forward steps, least noisy first."""
        chain = self.chain
        return betas(chain.schedule, chain.steps, chain.beta_start, chain.beta_end)

    def predict_noise(self, x: Tensor, time: float | Tensor, labels: Tensor | None) -> Tensor:
        """E[eps | noisy], (B, …), at a step in [0, T - 1], real-valued where the network takes such. Labels are ignored."""
        if self.takes_real_times:
            return self(x, time)
        if isinstance(time, Tensor) and time.dim():
            return self(x, time.round().long())
        return self(x, round(float(time)))  # one index for all costs less than a batch of equal ones

    @property
    def transitions(self) -> int:
        """Number of steps T."""
        return self.steps

    def transition(self, x: Tensor, step: int | Tensor) -> Gaussian:
        """The reverse step. Step 0 leaves the noise and step T - 1 lands on the data, with noise added there too.

        Args:
            x: (B, …). step: one index for all, or (B,) int64.
        Returns: mean (B, …); std 0-dim for one index, (B, 1, …) for a batch of them.
        A whole set of chains costs one network call: give states (T * B, …) in blocks of B, with
        `torch.arange(T).repeat_interleave(B)` as their steps.
        """
        t = self.steps - 1 - step  # the network counts from the data, sampling from the noise
        mean = self.coefficient("x_gain", t) * x - self.coefficient("eps_gain", t) * self(x, t)
        return Gaussian(mean, self.coefficient("stds", t))


class ShortChain(DiffusionChain):
    """As `DiffusionChain`, sampled in `sampling_steps` steps (FastDPM, VAR) where the settings name some.

    The network must take real-valued times.
    """

    chain: ImageChainConfig
    takes_real_times = True

    def set_chain(self, chain: ChainConfig, spec: DataSpec) -> None:
        """The settings of both chains, an `ImageChainConfig`, and the data. Called when the network is there."""
        super().set_chain(chain, spec)
        if self.chain.sampling_steps is None:
            return
        short = fast_schedule(
            chain.beta_start, chain.beta_end, chain.steps, self.chain.sampling_steps, self.chain.sampling_schedule
        )
        device = next(self.parameters()).device
        for name, values in short.coefficients(self.chain.kappa).items():
            # On the device that the module is being built on; the table itself comes from NumPy.
            self.register_buffer(f"fast_{name}", values.to(device), persistent=False)

    @property
    def transitions(self) -> int:
        """Number of sampling steps."""
        return self.chain.sampling_steps or self.steps

    def transition(self, x: Tensor, step: int | Tensor) -> Gaussian:
        """A step of the sampling chain; 0 leaves the noise, and the last one lands on the data with a little noise.

        x: (B, …); step: one index for all, or (B,) int64. Returns: mean (B, …); std 0-dim or (B, 1, …).
        """
        if self.chain.sampling_steps is None:
            return super().transition(x, step)
        time: Tensor = self.get_buffer("fast_time")[step]
        mean = self.coefficient("fast_x_mult", step) * x + self.coefficient("fast_eps_mult", step) * self(x, time)
        return Gaussian(mean, self.coefficient("fast_std", step))
