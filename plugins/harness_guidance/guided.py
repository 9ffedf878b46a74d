"""A model whose outputs are extrapolated away from a guide's, for any sampler that denoises or predicts noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from harness.capabilities import Denoises, NoiseChain
from harness.errors import UserError
from harness.interfaces import Batch, DataSpec, GuidedSampler, PreparedSampler
from harness.streams import SampleStreams
from harness_guidance import AutoguidanceConfig, GuidanceConfig


class GuidedModel(nn.Module):
    """guide + w (main - guide) inside the interval of noise levels; main alone, at one call, outside it and for w = 1.

    Denoised images and predicted noise are extrapolated alike: one is a line in the other.

    Args:
        main, guide: the networks, called through their own methods, which is where evaluations are counted.
        guide_has_labels: False for the network without labels as its own guide.
    """

    def __init__(self, config: GuidanceConfig, main: nn.Module, guide: nn.Module, *, guide_has_labels: bool) -> None:
        super().__init__()
        self.config, self.guide_has_labels = config, guide_has_labels
        # Not registered: the harness watches the networks themselves.
        self.pair = (main, guide)

    @property
    def sigma_range(self) -> tuple[float, float]:
        """The main network's."""
        return cast(Denoises, self.pair[0]).sigma_range

    @property
    def chain_betas(self) -> Tensor:
        """The main network's."""
        return cast(NoiseChain, self.pair[0]).chain_betas

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """The guided estimate, (B, …). sigma: 0-dim, or (B,) of equal levels."""
        main, guide = (cast(Denoises, one) for one in self.pair)
        denoised = main.denoise(x, sigma, labels)
        if not self.guides(float(sigma.flatten()[0])):
            return denoised
        return self._away(denoised, guide.denoise(x, sigma, self._guide_labels(labels)))

    def predict_noise(self, x: Tensor, time: float | Tensor, labels: Tensor | None) -> Tensor:
        """The guided noise, (B, …). time: one, or (B,) of equal times."""
        main, guide = (cast(NoiseChain, one) for one in self.pair)
        eps = main.predict_noise(x, time, labels)
        if not self.guides(self._sigma(time)):
            return eps
        return self._away(eps, guide.predict_noise(x, time, self._guide_labels(labels)))

    def guides(self, sigma: float) -> bool:
        """Whether a noise level is guided."""
        high = math.inf if self.config.high is None else self.config.high
        return self.config.edm2_weight != 1 and self.config.low <= sigma <= high

    def _away(self, main: Tensor, guide: Tensor) -> Tensor:
        return guide.lerp(main, self.config.edm2_weight)

    def _guide_labels(self, labels: Tensor | None) -> Tensor | None:
        return labels if self.guide_has_labels else None

    def _sigma(self, time: float | Tensor) -> float:
        at = float(time.flatten()[0]) if isinstance(time, Tensor) else float(time)
        kept = float(torch.exp(torch.log1p(-self.chain_betas)[: round(at) + 1].sum()))
        return math.sqrt((1 - kept) / kept)


class _Guided:
    """What both kinds share: the sampler inside, and its preparation, which is that of the main network alone."""

    def __init__(self, config: GuidanceConfig) -> None:
        self.config = config
        self.inner = config.sampler.create()

    @property
    def needs_preparation(self) -> bool:
        """The inner sampler's."""
        return isinstance(self.inner, PreparedSampler) and self.inner.needs_preparation

    def prepare(self, model: nn.Module, spec: DataSpec, train: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """The inner sampler's, on the model without guidance."""
        return cast(PreparedSampler, self.inner).prepare(model, spec, train, generator)

    def use(self, prepared: Mapping[str, Tensor]) -> None:
        """Hand it to the inner sampler."""
        cast(PreparedSampler, self.inner).use(prepared)


class ClassifierFree(_Guided):
    """The guide is the network itself without labels. Source: Ho and Salimans 2022; interval: Kynkäänniemi et al. 2024."""

    @torch.no_grad()
    def __call__(self, model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape). On data without classes there is nothing to guide by: the inner sampler's own samples."""
        if labels is None:
            return self.inner(model, spec, streams, labels)
        return self.inner(GuidedModel(self.config, model, model, guide_has_labels=False), spec, streams, labels)


class Autoguidance(_Guided):
    """The guide is another base of the board, with the same labels. Source: Karras et al. 2024 (autoguidance)."""

    config: AutoguidanceConfig

    def __init__(self, config: AutoguidanceConfig) -> None:
        super().__init__(config)
        self._networks: dict[str, nn.Module] = {}

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The guide, and those of the inner sampler."""
        return self._networks

    def take_networks(self, networks: Mapping[str, nn.Module]) -> None:
        """Bases by name."""
        self._networks = {self.config.guide: networks[self.config.guide]}
        if isinstance(self.inner, GuidedSampler):
            self.inner.take_networks(networks)
            self._networks |= dict(self.inner.networks)

    @torch.no_grad()
    def __call__(self, model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape). Raises: UserError before it has its guide."""
        if self.config.guide not in self._networks:
            raise UserError(f"sampler autoguidance: its guide {self.config.guide!r} is a base of a board; there is no board")
        guide = self._networks[self.config.guide]
        return self.inner(GuidedModel(self.config, model, guide, guide_has_labels=True), spec, streams, labels)
