"""Sampling masked tokens in parallel, in a few steps: by confidence, or in the order of a Halton sequence."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor

from harness.capabilities import MaskedTokens, Tokens
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness.toolkit.classifier_free import all_null, guided_logits, rows_with_null
from harness_maskgit import ConfidenceConfig, HaltonConfig
from harness_maskgit.schedules import halton_known_after_step, halton_order, known_after_step, tokens_per_step


class _Model(MaskedTokens, Tokens, Protocol):
    """The capabilities that the samplers need of a model."""


class Step(NamedTuple):
    """The outcome of a step of sampling with n images.

    Args:
        before, drawn, after: tokens (n, L) before the step, drawn in it, and after it.
        logits: the network's, (n, L, K + 1), or (2n, L, K + 1) with guidance.
        settled: (n, L) bool, True where a token counts as known after the step.
    """

    before: Tensor
    logits: Tensor
    drawn: Tensor
    after: Tensor
    settled: Tensor


class Noise:
    """The random part of a step; each image draws from its own stream."""

    def __init__(self, streams: SampleStreams) -> None:
        self.streams = streams

    def draw(self, probabilities: Tensor) -> Tensor:
        """Draw a code for each position: (n, L, K + 1) -> (n, L)."""
        return self.streams.categorical(probabilities)

    def gumbel(self, length: int) -> Tensor:
        """Draw standard Gumbel noise -log(-log u), (n, L), with u uniform in (0, 1)."""
        # Uniform numbers are multiples of 2^-24; half of one more keeps u above 0 and the logarithms finite.
        return -(-(self.streams.uniform(length) + 2.0**-25).log()).log()


class Sampler(abc.ABC):
    """Base class of the samplers, which start from a grid of masks that `steps` fills. w: strength of guidance."""

    def __init__(self, w: float) -> None:
        self.w = w

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw images (n, *spec.shape), float32, in [-1, 1]. Raises: UserError for guidance without labels."""
        return cast(Tokens, model).decode(self.tokens(model, streams, labels)).float()

    @torch.no_grad()
    def tokens(self, model: torch.nn.Module, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw tokens (n, L) int64. Where the mask token was drawn, the last code takes its place, as in the reference."""
        network = cast(_Model, model)
        tokens = empty(network, streams)
        for step in self.steps(model, Noise(streams), labels):
            tokens = step.after
        return tokens.clamp(max=network.mask_token - 1)

    @abc.abstractmethod
    def steps(self, model: torch.nn.Module, noise: Noise, labels: Tensor | None) -> Iterator[Step]:
        """Yield the steps from a grid of masks to the last one."""

    def _rows(self, network: MaskedTokens, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Return the labels of the rows that go through the network: one for each image, or two where it is guided."""
        if self.w != 0:
            if labels is None:
                raise UserError(f"sampler: w = {self.w:g} guides by labels, but the data has none; set w = 0")
            return rows_with_null(labels, network.null_label)
        return all_null(len(streams), network.null_label, streams.device) if labels is None else labels


def empty(network: MaskedTokens, streams: SampleStreams) -> Tensor:
    """Return the grid that sampling starts from, (n, L): mask tokens only."""
    return torch.full((len(streams), network.side**2), network.mask_token, device=streams.device)


def predict(network: MaskedTokens, tokens: Tensor, rows: Tensor, w: float) -> tuple[Tensor, Tensor]:
    """Return the network's logits for its rows, and those of the n images: (1 + w) cond - w null where there are 2n rows."""
    n = len(tokens)
    raw = network.token_logits(tokens.repeat(len(rows) // n, 1), rows)
    return raw, raw if len(rows) == n else guided_logits(raw, w)


class Confidence(Sampler):
    """Fixes at each step the tokens that the network gives the most probability, with some noise in the ranking.

    The confidence of a drawn token x_i is log p(x_i) + r_temp (1 - progress) g, where g is Gumbel noise and progress goes from 0
    to 1 over the steps: early steps explore, late ones take the surest. Guidance grows likewise, w * progress: the first tokens
    set what the image is of, and strong guidance there would cost variety.
    Source: Chang et al. 2022, Section 3.2, in the forms of valeoai's two generations: `Fixing` and `Rewriting`.
    """

    def __init__(self, config: ConfidenceConfig) -> None:
        super().__init__(config.w)
        self.config = config

    def _draw(self, network: MaskedTokens, code: Tensor, rows: Tensor, noise: Noise, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw every position of the step anew. Returns: the network's logits, the tokens (n, L), their confidence (n, L)."""
        config = self.config
        progress = step / max(config.steps - 1, 1)
        raw, logits = predict(network, code, rows, config.w * progress)
        log_p = (logits * config.temperature).log_softmax(-1)
        drawn = noise.draw(log_p.exp())
        confidence = log_p.gather(-1, drawn[..., None]).squeeze(-1)
        if config.r_temp:
            confidence = confidence + config.r_temp * (1 - progress) * noise.gumbel(code.shape[1]).to(confidence)
        return raw, drawn, confidence


class Fixing(Confidence):
    """The first generation: a step fixes a number of the open tokens, and a fixed token never changes."""

    def steps(self, model: torch.nn.Module, noise: Noise, labels: Tensor | None) -> Iterator[Step]:
        """Yield the steps from a grid of masks to the last one; they end early when no token is open."""
        network = cast(_Model, model)
        code, rows = empty(network, noise.streams), self._rows(network, noise.streams, labels)
        known = torch.zeros_like(code, dtype=torch.bool)
        for step, count in enumerate(tokens_per_step(self.config.schedule, self.config.steps, code.shape[1])):
            if known.all():
                return
            raw, drawn, confidence = self._draw(network, code, rows, noise, step)
            chosen = surest(confidence, known, count)
            known = known | chosen
            after = torch.where(chosen, drawn, code)
            yield Step(code, raw, drawn, after, known)
            code = after


class Rewriting(Confidence):
    """The second generation: the schedule says how many tokens are known after a step, and these are all drawn anew in it."""

    def steps(self, model: torch.nn.Module, noise: Noise, labels: Tensor | None) -> Iterator[Step]:
        """Yield the steps from a grid of masks to the last one."""
        network = cast(_Model, model)
        code, rows = empty(network, noise.streams), self._rows(network, noise.streams, labels)
        known = torch.zeros_like(code, dtype=torch.bool)
        for step, count in enumerate(known_after_step(self.config.schedule, self.config.steps, code.shape[1])):
            raw, drawn, confidence = self._draw(network, code, rows, noise, step)
            after = torch.where(above_threshold(confidence, known, max(count, step + 1)), drawn, code)
            known = after != network.mask_token  # a position where the mask token was drawn stays open
            yield Step(code, raw, drawn, after, known)
            code = after


def surest(confidence: Tensor, known: Tensor, count: int) -> Tensor:
    """Return the `count` open positions of each image with the highest confidence, or all open ones if fewer: (n, L) bool."""
    order = confidence.masked_fill(known, -torch.inf).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1)  # the inverse permutation
    return (rank < count) & ~known


def above_threshold(confidence: Tensor, known: Tensor, count: int) -> Tensor:
    """Return the positions of each image at least as sure as its `count`-th, (n, L) bool. Known positions come first.

    Known positions are always among them, so that a step draws them anew too.
    """
    confidence = confidence.masked_fill(known, torch.inf)
    return confidence >= confidence.topk(min(count, confidence.shape[1]), dim=1).values[:, -1:]


class Halton(Sampler):
    """Draws tokens in an order that spreads evenly over the image.

    One step draws its tokens independently, although neighbouring tokens depend on each other most. A step should therefore draw
    tokens that are far apart, and ranking by confidence does not ensure that. Source: Besnier et al. 2025.

    As published, a step draws every position of the order so far anew, known ones too. So at the end each token depends on the
    others by the network's prediction for a token that it sees, which training, on masked tokens alone, has not fitted. With
    `keep_known` a step draws only the positions that are still masks.
    """

    def __init__(self, config: HaltonConfig) -> None:
        super().__init__(config.w)
        self.config = config

    def temperatures(self) -> list[float]:
        """Return the factor of the logits at each step."""
        config = self.config
        ends = torch.linspace(config.temperature_min, config.temperature_max, config.steps, dtype=torch.float64)
        factors = (ends**config.temperature_power).tolist()
        return [factor / 2 if step < config.warmup else factor for step, factor in enumerate(factors)]

    def steps(self, model: torch.nn.Module, noise: Noise, labels: Tensor | None) -> Iterator[Step]:
        """Yield the steps from a grid of masks to the last one."""
        network, config = cast(_Model, model), self.config
        code, rows = empty(network, noise.streams), self._rows(network, noise.streams, labels)
        rank = self._ranks(network.side, noise)
        counts = halton_known_after_step(config.steps, code.shape[1])
        for count, temperature in zip(counts, self.temperatures(), strict=True):
            raw, logits = predict(network, code, rows, config.w)
            logits = logits * temperature
            if config.top_k:
                kth_largest = logits.topk(min(config.top_k, logits.shape[-1])).values[..., -1:]
                logits = logits.masked_fill(logits < kth_largest, -torch.inf)
            drawn, due = noise.draw(logits.softmax(-1)), rank < count
            rewritten = due & (code == network.mask_token) if config.keep_known else due
            after = torch.where(rewritten, drawn, code)
            yield Step(code, raw, drawn, after, due)
            code = after

    def _ranks(self, side: int, noise: Noise) -> Tensor:
        """Return the place of each position in the order, (n, L). With `randomize` each image starts at a place of its own."""
        rank = halton_order(side).argsort().to(noise.streams.device).expand(len(noise.streams), -1)
        if not self.config.randomize:
            return rank
        return (rank + noise.streams.integers(side * side, 1)) % (side * side)


def confidence(config: ConfidenceConfig) -> Confidence:
    """Make the confidence sampler of the generation that the settings name."""
    return Fixing(config) if config.variant == "v1" else Rewriting(config)


def halton(config: HaltonConfig) -> Halton:
    """Make the Halton sampler with its settings."""
    return Halton(config)
