"""A test bed in closed form: Gaussian mixtures, whose densities, samples and best denoisers are known exactly.

`GaussianMixture` is the data, and a model with an exact likelihood. `MixtureDenoiser` and `MixtureChain` are perfect models of
the mixture, over noise levels (Denoises) and over diffusion steps (NoiseChain, Transitions). Their weights are the parameters of
the mixture. So any difference between a sampler's output and the mixture is the sampler's own.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from harness.capabilities import Gaussian
from harness.interfaces import DataSpec
from harness.toolkit.denoising import DenoisingObjective, NoiseLevels


class Posterior(NamedTuple):
    """The distribution of clean data given noisy data: `mean` (B, D), and `variance` (B, D) of each coordinate."""

    mean: Tensor
    variance: Tensor


class GaussianMixture(nn.Module):
    """A mixture of K normal distributions over D coordinates, p(x) = sum over k of w_k N(x; m_k, diag(s_k^2)), in float64.

    It provides Trains and Likelihood. The likelihood is exact, so there is nothing to draw.

    Args:
        means: m, (K, D).
        stds: s, broadcastable to (K, D), above 0.
        weights: w up to a common factor, (K,), above 0; equal by default.
        labels: (K,) int64, the class of each component; without labels the data have no classes.
    """

    component_labels: Tensor | None

    def __init__(self, means: Tensor, stds: Tensor, weights: Tensor | None = None, labels: Tensor | None = None) -> None:
        super().__init__()
        self.means = nn.Parameter(means.double())
        self.log_stds = nn.Parameter(stds.double().expand(means.shape).log())
        equal = torch.ones(len(means), dtype=torch.float64)
        self.logits = nn.Parameter((equal if weights is None else weights.double()).log())
        self.register_buffer("component_labels", labels, persistent=False)

    @property
    def spec(self) -> DataSpec:
        """Points with D coordinates, and the number of classes."""
        labels = self.component_labels
        return DataSpec((self.means.shape[1],), 0 if labels is None else int(labels.max()) + 1)

    def log_prob(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the exact log density, (B,), in nats.

        Args:
            x: (B, …), with D numbers each.
            labels: (B,), classes whose density is asked for; None for that of the whole mixture.
        """
        return self.noisy_log_prob(x, torch.tensor(1.0), torch.tensor(0.0), labels)

    def draw(self, x: Tensor, generator: torch.Generator) -> None:
        """Return None, because nothing is random in an exact likelihood."""

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return the exact log density, (B,), in nats."""
        return cast(Tensor, self(x, labels))

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return minus the log density, (B,)."""
        return -self.log_likelihood(x, labels, None)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the log density, (B,), in nats."""
        return self.log_prob(x, labels)

    def noisy_log_prob(self, x: Tensor, signal: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the log density of signal * clean + noise * eps, (B,), in nats. signal, noise: (B,) or 0-dim."""
        # A mixture again, with the means signal * m_k and the variances signal^2 s_k^2 + noise^2.
        joint, evidence, _ = self._components(x, signal, noise, labels)
        return torch.logsumexp(joint, 1) - torch.logsumexp(evidence, 1)

    def posterior(self, x: Tensor, signal: Tensor, noise: Tensor, labels: Tensor | None = None) -> Posterior:
        """Return mean and variance of the clean data given x = signal * clean + noise * eps. noise: above 0."""
        # Given component k, with v_k = signal^2 s_k^2 + noise^2, clean data are normal around m_k + signal s_k^2 / v_k
        # (x - signal m_k) with the variance s_k^2 noise^2 / v_k; component k has the share w_k N(x; signal m_k, v_k) / p(x).
        joint, _, variance = self._components(x, signal, noise, labels)
        share = torch.softmax(joint, 1)[:, :, None]
        signal, noise, own = _row(signal), _row(noise), (2 * self.log_stds).exp()
        means = self.means + signal * own / variance * (x.double().flatten(1)[:, None] - signal * self.means)
        mean = (share * means).sum(1)
        second = (share * (own * noise**2 / variance + means**2)).sum(1)
        return Posterior(mean, second - mean**2)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Draw n exact samples, (n, D), float64, with their labels, (n,), where there are classes."""
        which = torch.multinomial(self.logits.softmax(0), n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator, dtype=torch.float64)
        labels = self.component_labels
        return self.means[which] + self.log_stds[which].exp() * noise, None if labels is None else labels[which]

    def _components(self, x: Tensor, signal: Tensor, noise: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return log of weight times density, (B, K), log weight, (B or 1, K), and noisy variance, (B or 1, K, D)."""
        signal, noise = _row(signal), _row(noise)
        variance = signal**2 * (2 * self.log_stds).exp() + noise**2
        distance = (x.double().flatten(1)[:, None] - signal * self.means) ** 2 / variance
        evidence = self.logits.log_softmax(0)[None]
        if labels is not None:
            if self.component_labels is None:
                raise ValueError("labels were given, but the mixture has no classes")
            is_of_class = self.component_labels[None] == labels[:, None]
            evidence = evidence.masked_fill(~is_of_class, -math.inf)
        density = -0.5 * (distance + variance.log() + math.log(2 * math.pi)).sum(2)
        return evidence + density, evidence, variance


class MixtureDenoiser(DenoisingObjective, nn.Module):
    """The perfect denoiser of a mixture, exact in float64. It provides Trains, Likelihood (with EDM's weights) and Denoises."""

    config: NoiseLevels

    def __init__(self, mixture: GaussianMixture, config: NoiseLevels | None = None, spec: DataSpec | None = None) -> None:
        super().__init__()
        self.mixture, self.config, self.spec = mixture, config or NoiseLevels(), spec or mixture.spec

    def forward(self, x: Tensor, sigma: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return E[clean | x], in the shape and precision of x. sigma: (B,) or 0-dim; labels: (B,), or None for all classes."""
        return self.mixture.posterior(x, torch.ones_like(sigma), sigma, labels).mean.view_as(x).to(x.dtype)

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """Return E[clean | noisy], (B, …)."""
        return cast(Tensor, self(x, sigma, labels))


class ChainDraw(NamedTuple):
    """The random part of the chain's bound: `t` (B,) int64, 0 = least noisy, and `eps` (B, …), standard normal."""

    t: Tensor
    eps: Tensor


class MixtureChain(nn.Module):
    """The perfect noise predictor of a mixture on a diffusion chain. It provides NoiseChain, Transitions, Trains and Likelihood.

    Its likelihood is the variational bound itself, weights included: the mean over draws is below the mixture's own log density,
    and approaches it as the chain gets finer. Variances of the reverse steps are those of the forward posterior; the last step
    has beta_0. Source: Ho et al. 2020, Eqs. 5-7; Kingma et al. 2021, Eq. 14.

    Args:
        betas: (T,), variances of the forward steps, least noisy first.
    """

    def __init__(self, mixture: GaussianMixture, betas: Tensor, spec: DataSpec | None = None) -> None:
        super().__init__()
        self.mixture, self.spec, self.betas = mixture, spec or mixture.spec, betas.double()
        log_kept = torch.cumsum(torch.log1p(-self.betas), 0)
        self.log_alpha_bars = log_kept
        kept = log_kept.exp()
        before = torch.cat([kept.new_ones(1), kept[:-1]])
        self.variances = self.betas * (1 - before) / (1 - kept)
        self.variances[0] = self.betas[0]

    @property
    def chain_betas(self) -> Tensor:
        """(T,), float64."""
        return self.betas

    @property
    def transitions(self) -> int:
        """Number of steps T."""
        return len(self.betas)

    def levels(self, time: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return sqrt(alpha_bar) and sqrt(1 - alpha_bar) at a time; ln alpha_bar is linear between two whole steps."""
        time = torch.as_tensor(time, dtype=torch.float64)
        low = time.floor().long().clamp(0, max(0, self.transitions - 2))
        after = (low + 1).clamp(max=self.transitions - 1)
        log_kept = torch.lerp(self.log_alpha_bars[low], self.log_alpha_bars[after], time - low)
        return (log_kept / 2).exp(), (-torch.expm1(log_kept)).sqrt()

    def forward(self, x: Tensor, time: float | Tensor, labels: Tensor | None = None) -> Tensor:
        """Return E[eps | x], in the shape and precision of x."""
        signal, noise = self.levels(time)
        clean = self.mixture.posterior(x, signal, noise, labels).mean
        eps = (x.double().flatten(1) - signal.view(-1, 1) * clean) / noise.view(-1, 1)
        return eps.view_as(x).to(x.dtype)

    def predict_noise(self, x: Tensor, time: float | Tensor, labels: Tensor | None) -> Tensor:
        """Return E[eps | noisy], (B, …)."""
        return cast(Tensor, self(x, time, labels))

    def transition(self, x: Tensor, step: int | Tensor) -> Gaussian:
        """Return the next state's distribution (Ho et al., Eqs. 7 and 11). Step 0 starts from noise; T - 1 lands on the data."""
        t = self.transitions - 1 - torch.as_tensor(step)
        wide = t.view(-1, *[1] * (x.dim() - 1)) if t.dim() else t
        beta, (_, noise) = self.betas[wide], self.levels(wide)
        mean = (x.double() - beta / noise * self(x, t).double()) / (1 - beta).sqrt()
        return Gaussian(mean.to(x.dtype), self.variances[wide].sqrt().to(x.dtype))

    def draw(self, x: Tensor, generator: torch.Generator) -> ChainDraw:
        """Draw a step and noise for each example."""
        return ChainDraw(
            torch.randint(self.transitions, (len(x),), generator=generator),
            torch.randn(x.shape, generator=generator, dtype=torch.float64),
        )

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return an unbiased estimate of the bound, (B,), in nats: minus T times the drawn step's term, minus the prior's."""
        t, eps = cast(ChainDraw, draw)
        signal, noise = self.levels(t)
        clean, eps = x.double().flatten(1), eps.flatten(1)
        noisy = signal[:, None] * clean + noise[:, None] * eps
        error = (eps - self(noisy, t, labels)).square().sum(1)
        return -self.transitions * self._term(t, error, clean.shape[1]) - self._prior(clean)

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return minus the estimate of the bound, (B,)."""
        return -self.log_likelihood(x, labels, self.draw(x, generator))

    def _term(self, t: Tensor, error: Tensor, size: int) -> Tensor:
        """Return the KL of the forward posterior and the reverse step, (B,); at t = 0, minus the log density of the data."""
        # beta^2 / (2 variance (1 - beta) (1 - alpha_bar)) |eps - eps_theta|^2 (Ho et al., Eq. 12). The same square is the
        # exponent of the normal density at t = 0, which also has its normalisation.
        beta, kept, variance = self.betas[t], self.log_alpha_bars[t].exp(), self.variances[t]
        squared = beta**2 / (2 * variance * (1 - beta) * (1 - kept)) * error
        return torch.where(t == 0, squared + size / 2 * (2 * math.pi * variance).log(), squared)

    def _prior(self, clean: Tensor) -> Tensor:
        """Return the KL of the noisiest state, given the clean data, and a standard normal, (B,)."""
        kept = self.log_alpha_bars[-1].exp()
        return 0.5 * (kept * clean**2 + (1 - kept) - 1 - torch.log1p(-kept)).sum(1)


def _row(values: Tensor) -> Tensor:
    """Reshape (B,) or 0-dim values to (B or 1, 1, 1)."""
    return values.double().view(-1, 1, 1)


def four_points(spread: float = 0.15, *, classes: bool = False) -> GaussianMixture:
    """Return a mixture of four components in the plane, of unequal weights and shapes, within [-1, 1].

    Args:
        spread: scale of the standard deviations.
        classes: whether the first two components are class 0, and the others class 1.
    """
    means = torch.tensor([[0.6, 0.5], [-0.5, 0.6], [-0.6, -0.4], [0.4, -0.6]])
    stds = spread * torch.tensor([[1.0, 1.0], [1.5, 0.7], [0.6, 1.2], [1.0, 1.0]])
    labels = torch.tensor([0, 0, 1, 1]) if classes else None
    return GaussianMixture(means, stds, torch.tensor([0.4, 0.3, 0.2, 0.1]), labels)
