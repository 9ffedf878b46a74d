"""A diffusion chain around a network that predicts noise: its loss, likelihood bound and Gaussian transitions."""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from harness.capabilities import BoundWeighting, Gaussian
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
    """A `NoisyStep`, and the `seed` that decides which activations a network with dropout drops."""

    t: Tensor
    eps: Tensor
    seed: int


class DiffusionChain(nn.Module):
    """A chain for a module whose `forward(x, t)` predicts the noise in x_t.

    Provides Trains, TrainsInParts, Likelihood, WeightedBound, Transitions and NoiseChain.
    The model is unconditional: labels are ignored. A subclass calls `set_chain` at the end of its `__init__`. The schedule is
    held in buffers that are not part of the state dict, so that published weights load as they are.
    Source: Ho et al. 2020 (DDPM); equation numbers are the paper's.
    """

    chain: ChainConfig
    spec: DataSpec
    steps: int
    dropout: float = 0.0
    takes_real_times: bool = False

    def set_chain(self, chain: ChainConfig, spec: DataSpec) -> None:
        """Compute the schedule's tables from the settings of the chain; `spec` is what the model generates."""
        self.chain, self.spec, self.steps = chain, spec, chain.steps
        for name, values in coefficients(chain).items():
            self.register_buffer(name, values, persistent=False)

    def coefficient(self, name: str, t: int | Tensor) -> Tensor:
        """Return a table's value at t: 0-dim for one index, (B, 1, …) for a batch of indices."""
        values: Tensor = getattr(self, name)[t]  # get_buffer looks the name up four times, in every step of a chain
        return values if values.dim() == 0 else values.view(-1, *[1] * len(self.spec.shape))

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return the squared error of the predicted noise, (B,), mean over dimensions (Eq. 14)."""
        return self.training_loss_at(x, labels, self.training_draw(x, generator))

    def training_draw(self, x: Tensor, generator: torch.Generator) -> NoisyStep | NoisyStepAndMask:
        """Draw the random part of the training loss. The likelihood uses the same kind of draw."""
        return self.draw(x, generator)

    def training_loss_at(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return the squared error of the predicted noise at a draw, (B,), mean over dimensions."""
        return -self.log_likelihood(x, labels, draw) / math.prod(self.spec.shape)

    def draw(self, x: Tensor, generator: torch.Generator) -> NoisyStep | NoisyStepAndMask:
        """Draw a step and noise for each example of x (B, …); a seed too, where the network has dropout.

        Steps are antithetic: an example with step t in the first half of the batch has a partner with T - 1 - t in the second.
        Each step alone is uniform, and the batch's mean loss varies less, because small and large steps are balanced.
        Numbers are drawn on the CPU and moved to the device of x.
        """
        half = torch.randint(self.steps, ((len(x) + 1) // 2,), generator=generator)
        t = torch.cat([half, self.steps - 1 - half])[: len(x)]
        eps = torch.randn(x.shape, generator=generator)
        if not self.training or self.dropout == 0:
            return NoisyStep(t.to(x.device), eps.to(x.device))
        return NoisyStepAndMask(t.to(x.device), eps.to(x.device), int(torch.randint(2**62, (), generator=generator)))

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return minus the squared error of the predicted noise, (B,), summed over dimensions.

        This is the bound's term at the drawn step (Eq. 12) with its weight set to one, as in the training loss (Eq. 14).
        """
        return self.weighted_bound(x, labels, draw, BoundWeighting())

    def draw_weighted(self, x: Tensor, generator: torch.Generator, weighting: BoundWeighting) -> NoisyStep | NoisyStepAndMask:
        """Draw like `draw`: every step is as likely as the others."""
        return self.draw(x, generator)

    def weighted_bound(self, x: Tensor, labels: Tensor | None, draw: object, weighting: BoundWeighting) -> Tensor:
        """Return minus the weighted squared error of the predicted noise, (B,), summed over dimensions.

        The weight is 1 ("model" and "simple"), or that of the bound ("elbo", Eq. 12), T eps_gain_t^2 / (2 std_t^2), with the
        chain's own standard deviations: the mean over the T steps is then the sum of the bound's terms in nats.
        Raises: ValueError for another weighting, which a chain of steps has not.
        """
        if weighting.weight == "edm" or (weighting.p_mean, weighting.p_std) != (None, None):
            raise ValueError(f"a chain of steps has no noise levels sigma: {weighting}")
        # -|eps - eps_theta(sqrt(alpha_bar_t) x + sqrt(1 - alpha_bar_t) eps, t)|^2
        t, eps, *seed = cast("NoisyStep | NoisyStepAndMask", draw)
        noisy = self.coefficient("signal", t) * x + self.coefficient("noise", t) * eps
        with seeded(seed[0] if seed else None, x.device):
            predicted = self(noisy, t)
        error = (eps - predicted).square().flatten(1).sum(1)
        if weighting.weight != "elbo":
            return -error
        return -self.steps / 2 * (self.coefficient("eps_gain", t) / self.coefficient("stds", t)).flatten().square() * error

    @property
    def chain_betas(self) -> Tensor:
        """The variances of the forward steps, (T,), float64, least noisy first."""
        chain = self.chain
        return betas(chain.schedule, chain.steps, chain.beta_start, chain.beta_end)

    def predict_noise(self, x: Tensor, time: float | Tensor, labels: Tensor | None) -> Tensor:
        """Return E[eps | noisy], (B, …), at a time in [0, T - 1]. Labels are ignored.

        A network that was trained on whole steps, and does not take real-valued times, answers for the nearest whole step.
        """
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
        """Return the distribution of the next state, given the state x (Eqs. 1 and 11).

        Step 0 starts from noise, and step T - 1 lands on the data; it adds noise like the others. All steps of many chains cost
        one network call: give the states as (T * B, …) in blocks of B, with `torch.arange(T).repeat_interleave(B)` as steps.

        Args:
            x: (B, …).
            step: one index for all examples, or (B,) int64, in [0, T).
        Returns: mean (B, …); std 0-dim for one index, (B, 1, …) for a batch of indices.
        """
        t = self.steps - 1 - step  # the network counts from the data, sampling from the noise
        mean = self.coefficient("x_gain", t) * x - self.coefficient("eps_gain", t) * self(x, t)
        return Gaussian(mean, self.coefficient("stds", t))


class ShortChain(DiffusionChain):
    """A `DiffusionChain` that is sampled in `sampling_steps` steps (FastDPM, VAR), where the settings name a number.

    The network must take real-valued times.
    """

    chain: ImageChainConfig
    takes_real_times = True

    def set_chain(self, chain: ChainConfig, spec: DataSpec) -> None:
        """Compute the tables of both chains from an `ImageChainConfig`. Call it when the network is there."""
        super().set_chain(chain, spec)
        if self.chain.sampling_steps is None:
            return
        short = fast_schedule(
            chain.beta_start, chain.beta_end, chain.steps, self.chain.sampling_steps, self.chain.sampling_schedule
        )
        device = next(self.parameters()).device
        for name, values in short.coefficients(self.chain.kappa).items():
            # The tables come from NumPy; they belong on the device that the module is being built on.
            self.register_buffer(f"fast_{name}", values.to(device), persistent=False)

    @property
    def transitions(self) -> int:
        """Number of sampling steps."""
        return self.chain.sampling_steps or self.steps

    def transition(self, x: Tensor, step: int | Tensor) -> Gaussian:
        """Return the distribution of the next state of the sampling chain, given the state x.

        Step 0 starts from noise, and the last step lands on the data with a little noise.

        Args:
            x: (B, …).
            step: one index for all examples, or (B,) int64.
        Returns: mean (B, …); std 0-dim for one index, (B, 1, …) for a batch of indices.
        """
        if self.chain.sampling_steps is None:
            return super().transition(x, step)
        time: Tensor = self.get_buffer("fast_time")[step]
        mean = self.coefficient("fast_x_mult", step) * x + self.coefficient("fast_eps_mult", step) * self(x, time)
        return Gaussian(mean, self.coefficient("fast_std", step))
