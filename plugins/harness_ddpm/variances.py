"""Samplers with the best variance of each step: Analytic-DPM, and SN-DPM and NPR-DPM with a small trained head.

A step's mean moves with what is not known of eps; its variance is floor^2 + c^2 Var(eps | x), where c is the table's
`eps_mult` and `floor` the noise of the ancestral step. Analytic-DPM takes the mean of Var(eps | x) over the data, a
number a step; SN-DPM learns E[eps^2 | x] and NPR-DPM the squared residual, a number a coordinate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.capabilities import NoiseChain
from harness.interfaces import Batch, DataSpec
from harness.streams import SampleStreams
from harness_ddpm import AnalyticConfig, HeadConfig
from harness_ddpm.walks import Table, step_table, walk

ROWS = 512


class Analytic:
    """Sources: Bao et al. 2022 (Analytic-DPM), Eq. 9. The last step is its mean alone."""

    needs_preparation = True

    def __init__(self, config: AnalyticConfig) -> None:
        self.config = config
        self.gamma: Tensor | None = None

    @torch.no_grad()
    def prepare(self, model: nn.Module, spec: DataSpec, train: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """gamma: the mean square of the predicted noise at each step, (S,). One call an example and step."""
        chain = cast(NoiseChain, model)
        table = self._steps(chain)
        clean = self._examples(chain, spec, train, generator)
        means = []
        for time, kept in zip(table.times.tolist(), table.kept.tolist(), strict=True):
            total = 0.0
            for start in range(0, len(clean), ROWS):
                part = clean[slice(start, start + ROWS)]
                eps = torch.randn(part.x.shape, generator=generator).to(part.x.device)
                noisy = math.sqrt(kept) * part.x + math.sqrt(1 - kept) * eps
                total += float(chain.predict_noise(noisy, time, part.labels).double().square().sum())
            means.append(total / clean.x.numel())
        return {"gamma": torch.tensor(means, dtype=torch.float64)}

    def use(self, prepared: Mapping[str, Tensor]) -> None:
        """Sample with these."""
        self.gamma = prepared["gamma"]

    def __call__(self, model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape), float32."""
        chain = cast(NoiseChain, model)
        return walk(chain, self.table(self._steps(chain)), spec, streams, labels)

    def table(self, known: Table) -> Table:
        """The steps with their best variance."""
        assert self.gamma is not None, "the harness prepares the sampler before it draws"
        left = np.clip(1 - self.gamma.numpy(), 0, 1)
        std = np.sqrt(known.floor**2 + known.eps_mult**2 * left)
        std[-1] = 0.0
        return Table(known.times, known.kept, std, known.floor)

    def _steps(self, chain: NoiseChain) -> Table:
        return step_table(chain.chain_betas, self.config.steps, self.config.spacing, self.config.eta)

    def _examples(self, chain: NoiseChain, spec: DataSpec, train: Batch, generator: torch.Generator) -> Batch:
        chosen = torch.randint(len(train), (self.config.examples,), generator=generator).to(train.x.device)
        if self.config.source == "train":
            return train[chosen]
        labels = None if train.labels is None else train.labels[chosen]
        seed = int(torch.randint(2**31, (), generator=generator))
        streams = SampleStreams(seed, "prepare", range(self.config.examples), train.x.device)
        own = walk(chain, step_table(chain.chain_betas, self.config.steps, self.config.spacing, 1.0), spec, streams, labels)
        return Batch(own, labels)


class Head(nn.Module):
    """A number above 0 for each coordinate, given the noisy state, the predicted noise and the time.

    Three 3×3 convolutions for images, three linear layers for points.
    """

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        inputs = 2 * shape[0] + 2 * FREQUENCIES

        def layer(before: int, after: int) -> nn.Module:
            return nn.Conv2d(before, after, 3, padding=1) if len(shape) == 3 else nn.Linear(before, after)

        self.layers = nn.ModuleList([layer(inputs, width), layer(width, width), layer(width, shape[0])])

    def forward(self, x: Tensor, eps: Tensor, time: Tensor) -> Tensor:
        """x, eps: (B, …). time: (B,) or 0-dim, in [0, 1]. Returns: (B, …)."""
        angles = math.pi * time.float().view(-1, 1) * 2.0 ** torch.arange(FREQUENCIES, device=x.device)
        features = torch.cat([angles.sin(), angles.cos()], 1).expand(len(x), -1)
        features = features.view(len(x), -1, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
        hidden = torch.cat([x, eps, features], 1)
        for layer in self.layers[:-1]:
            hidden = functional.silu(layer(hidden))
        return functional.softplus(self.layers[-1](hidden))


FREQUENCIES = 6


class WithHead:
    """Walks with variances from a head that was trained on the frozen base. The last step is its mean alone.

    Source: Bao et al. 2022 (Estimating the optimal covariance with imperfect mean), Eqs. 9 and 14. Their head shares the
    U-Net's features; this one stands beside any network, and is too small to be counted among its evaluations.
    """

    needs_preparation = True
    predicts_residual: bool

    def __init__(self, config: HeadConfig) -> None:
        self.config = config
        self.prepared: Mapping[str, Tensor] | None = None
        self._head: Head | None = None

    def prepare(self, model: nn.Module, spec: DataSpec, train: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """The trained head's weights. One call an example and training step."""
        chain, config = cast(NoiseChain, model), self.config
        betas = chain.chain_betas
        kept = torch.cumsum(torch.log1p(-betas), 0).exp().float().to(train.x.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
            head = Head(spec.shape, config.width).to(train.x.device)
        optimizer = torch.optim.Adam(head.parameters(), lr=config.lr)
        for _ in range(config.training_steps):
            rows = train[torch.randint(len(train), (config.batch,), generator=generator).to(train.x.device)]
            t = torch.randint(len(betas), (config.batch,), generator=generator).to(train.x.device)
            eps = torch.randn(rows.x.shape, generator=generator).to(train.x.device)
            share = kept[t].view(-1, *[1] * len(spec.shape))
            noisy = share.sqrt() * rows.x + (1 - share).sqrt() * eps
            with torch.no_grad():
                predicted = chain.predict_noise(noisy, t, rows.labels)
            target = (eps - predicted).square() if self.predicts_residual else eps.square()
            loss = (head(noisy, predicted, t / max(1, len(betas) - 1)) - target).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return head.state_dict()

    def use(self, prepared: Mapping[str, Tensor]) -> None:
        """Sample with this head."""
        self.prepared, self._head = prepared, None

    @torch.no_grad()
    def __call__(self, model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape), float32. Calls the network once a step."""
        chain = cast(NoiseChain, model)
        betas = chain.chain_betas
        table = step_table(betas, self.config.steps, self.config.spacing, self.config.eta)
        head = self._built(spec, streams.device)
        x, last = streams.normal(*spec.shape), len(table.times) - 1
        fresh = streams.normals(last, *spec.shape)
        rows = zip(table.times, table.x_mult, table.eps_mult, table.floor, strict=True)
        for index, (time, x_mult, eps_mult, floor) in enumerate(rows):
            eps = chain.predict_noise(x, float(time), labels)
            mean = float(x_mult) * x + float(eps_mult) * eps
            if index < last:
                unknown = self.unknown(head(x, eps, torch.tensor(time / max(1, len(betas) - 1), device=x.device)), eps)
                mean = mean + (float(floor) ** 2 + float(eps_mult) ** 2 * unknown).sqrt() * next(fresh)
            x = mean
        return x

    def unknown(self, out: Tensor, eps: Tensor) -> Tensor:
        """Var(eps | x) of each coordinate, within [0, 1]: unit noise has no more to hide."""
        return (out if self.predicts_residual else out - eps.square()).clamp(0, 1)

    def _built(self, spec: DataSpec, device: torch.device) -> Head:
        assert self.prepared is not None, "the harness prepares the sampler before it draws"
        if self._head is None:
            with torch.random.fork_rng(devices=[]):
                self._head = Head(spec.shape, self.config.width)
            self._head.load_state_dict(dict(self.prepared))
        return self._head.to(device).eval()


class SquaredNoise(WithHead):
    """SN-DPM: the head predicts eps^2, and the square of the predicted noise is taken off."""

    predicts_residual = False


class Residual(WithHead):
    """NPR-DPM: the head predicts (eps - eps_theta)^2, which is right for a network that is not."""

    predicts_residual = True
