"""Sampling masked tokens in parallel, in a few steps: by confidence, or in the order of a Halton sequence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor

from harness.capabilities import MaskedTokens, Tokens
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness_maskgit import ConfidenceConfig, HaltonConfig
from harness_maskgit.schedules import halton_known_after_step, halton_order, known_after_step, tokens_per_step


class _Model(MaskedTokens, Tokens, Protocol):
    """What the samplers need."""


class Step(NamedTuple):
    """What one step did.

    `before`, `drawn` and `after` are tokens (n, L), `logits` the network's (n or 2n, L, K + 1), and `settled` (n, L) is True
    where a token counts as known after the step.
    """

    before: Tensor
    logits: Tensor
    drawn: Tensor
    after: Tensor
    settled: Tensor


class Noise:
    """The random part of a step, each image's from its own stream."""

    def __init__(self, streams: SampleStreams) -> None:
        self.streams = streams

    def draw(self, probabilities: Tensor) -> Tensor:
        """One code for each position: (n, L, K + 1) -> (n, L)."""
        return self.streams.categorical(probabilities)

    def gumbel(self, length: int) -> Tensor:
        """Standard Gumbel noise, (n, L)."""
        # Uniform numbers are multiples of 2^-24; half of one keeps the logarithms finite.
        return -(-(self.streams.uniform(length) + 2.0**-25).log()).log()


class _Sampler:
    """What both samplers share."""

    w: float

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape), float32, in [-1, 1]. Raises: UserError for guidance without labels."""
        return cast(Tokens, model).decode(self.tokens(model, streams, labels)).float()

    @torch.no_grad()
    def tokens(self, model: torch.nn.Module, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, L) int64. A position where the mask token was drawn becomes the last code, as in the reference."""
        after: Tensor | None = None
        for step in self.steps(model, Noise(streams), labels):
            after = step.after
        assert after is not None, "there is at least one step"
        return after.clamp(max=cast(MaskedTokens, model).mask_token - 1)

    def steps(self, model: torch.nn.Module, noise: Noise, labels: Tensor | None) -> Iterator[Step]:
        """The steps from a masked grid to the end."""
        raise NotImplementedError

    def _rows(self, network: MaskedTokens, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Labels of the rows that go through the network: one an image, or the labels and then as many null classes."""
        null = torch.full((len(streams),), network.null_label, device=streams.device)
        if self.w == 0:
            return null if labels is None else labels
        if labels is None:
            raise UserError(f"sampler: w = {self.w:g} guides by labels, but the data has none; set w = 0")
        return torch.cat([labels, null])


def empty(network: MaskedTokens, streams: SampleStreams) -> Tensor:
    """(n, L), all masked."""
    return torch.full((len(streams), network.side**2), network.mask_token, device=streams.device)


def predict(network: MaskedTokens, tokens: Tensor, rows: Tensor, w: float) -> tuple[Tensor, Tensor]:
    """The network's logits, and those of n images: (1 + w) cond - w null where the rows are 2n."""
    n = len(tokens)
    raw = network.token_logits(tokens.repeat(len(rows) // n, 1), rows)
    return raw, raw if len(rows) == n else (1 + w) * raw[:n] - w * raw[n:]


class Confidence(_Sampler):
    """Fixes the tokens that the network gives the most probability, a little at random.

    Source: Chang et al. 2022, Section 3.2, in the forms of valeoai's two generations.
    """

    def __init__(self, config: ConfidenceConfig) -> None:
        self.config, self.w = config, config.w

    def steps(self, model: torch.nn.Module, noise: Noise, labels: Tensor | None) -> Iterator[Step]:
        """The steps from a masked grid to the end; v1 ends early when nothing is masked."""
        network, config = cast(_Model, model), self.config
        code, rows = empty(network, noise.streams), self._rows(network, noise.streams, labels)
        known = torch.zeros_like(code, dtype=torch.bool)
        schedule = tokens_per_step if config.variant == "v1" else known_after_step
        for step, count in enumerate(schedule(config.schedule, config.steps, code.shape[1])):
            if config.variant == "v1" and known.all():
                return
            progress = step / max(config.steps - 1, 1)
            raw, logits = predict(network, code, rows, config.w * progress)
            log_p = (logits * config.temperature).log_softmax(-1)
            drawn = noise.draw(log_p.exp())
            sure = log_p.gather(-1, drawn[..., None]).squeeze(-1)
            if config.r_temp:
                sure = sure + config.r_temp * (1 - progress) * noise.gumbel(code.shape[1]).to(sure)
            if config.variant == "v1":
                chosen = surest(sure, known, count)
                known = known | chosen
            else:
                chosen = above_threshold(sure, known, max(count, step + 1))
            after = torch.where(chosen, drawn, code)
            if config.variant == "v2":
                known = after != network.mask_token  # a mask token that was drawn stays open
            yield Step(code, raw, drawn, after, known)
            code = after


def surest(sure: Tensor, known: Tensor, count: int) -> Tensor:
    """The `count` highest of the open positions of each image, or all where fewer are open: (n, L) bool."""
    order = sure.masked_fill(known, -torch.inf).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1)
    return (rank < count) & ~known


def above_threshold(sure: Tensor, known: Tensor, count: int) -> Tensor:
    """Positions at least as sure as the `count`-th of each image, known ones first: (n, L) bool.

    Known positions are always among them, so that a step rewrites them too.
    """
    sure = sure.masked_fill(known, torch.inf)
    return sure >= sure.topk(min(count, sure.shape[1]), dim=1).values[:, -1:]


class Halton(_Sampler):
    """Fixes tokens in an order that spreads evenly over the image; each step rewrites the known ones too.

    Source: Besnier et al. 2025.
    """

    def __init__(self, config: HaltonConfig) -> None:
        self.config, self.w = config, config.w

    def temperatures(self) -> list[float]:
        """Factor of the logits at each step."""
        config = self.config
        ends = torch.linspace(config.temperature_min, config.temperature_max, config.steps, dtype=torch.float64)
        factors = (ends**config.temperature_power).tolist()
        return [factor / 2 if step < config.warmup else factor for step, factor in enumerate(factors)]

    def steps(self, model: torch.nn.Module, noise: Noise, labels: Tensor | None) -> Iterator[Step]:
        """The steps from a masked grid to the end."""
        network, config = cast(_Model, model), self.config
        code, rows = empty(network, noise.streams), self._rows(network, noise.streams, labels)
        rank = self._ranks(network.side, noise)
        counts = halton_known_after_step(config.steps, code.shape[1])
        for count, temperature in zip(counts, self.temperatures(), strict=True):
            raw, logits = predict(network, code, rows, config.w)
            logits = logits * temperature
            if config.top_k:
                largest = logits.topk(min(config.top_k, logits.shape[-1])).values[..., -1:]
                logits = logits.masked_fill(logits < largest, -torch.inf)
            drawn, due = noise.draw(logits.softmax(-1)), rank < count
            after = torch.where(due, drawn, code)
            yield Step(code, raw, drawn, after, due)
            code = after

    def _ranks(self, side: int, noise: Noise) -> Tensor:
        """Place of each position in the order, (n, L)."""
        rank = halton_order(side).argsort().to(noise.streams.device).expand(len(noise.streams), -1)
        if not self.config.randomize:
            return rank
        return (rank + noise.streams.integers(side * side, 1)) % (side * side)


def confidence(config: ConfidenceConfig) -> Confidence:
    """The confidence sampler with its settings."""
    return Confidence(config)


def halton(config: HaltonConfig) -> Halton:
    """The Halton sampler with its settings."""
    return Halton(config)
