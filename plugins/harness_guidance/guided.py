"""A model whose outputs are extrapolated away from those of a guide, for any sampler that denoises or predicts noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from harness.capabilities import Denoises, NoiseChain
from harness.errors import UserError
from harness.interfaces import Batch, DataSpec, GuidedSampler, PreparedSampler
from harness.streams import SampleStreams
from harness_guidance import AutoguidanceConfig, GuidanceConfig


class GuidedModel(nn.Module):
    """guide + w (main - guide) at noise levels inside the interval, with w in the convention `edm2`; main elsewhere.

    Where the result is that of the main network alone, outside the interval and for w = 1, the guide is not called.

    Denoised data and predicted noise are combined by the same formula. From x = sqrt(a) x_0 + sqrt(1 - a) eps,
    x_0 = (x - sqrt(1 - a) eps) / sqrt(a) is a line in eps, and the weights w and 1 - w of the two networks add up to 1, so the
    combination of one is the combination of the other. The score is a line in them too: guidance samples from
    p(x)^(1 - w) p(x | c)^w at every noise level, as far as its score goes (Ho and Salimans 2022).

    Args:
        config: the settings.
        main, guide: the networks. They are called by their own methods, where evaluations are counted.
        guide_has_labels: False for a guide that is the network without labels.
    """

    def __init__(self, config: GuidanceConfig, main: nn.Module, guide: nn.Module, *, guide_has_labels: bool) -> None:
        super().__init__()
        self.config, self.guide_has_labels = config, guide_has_labels
        # In a tuple the networks are no submodules: the harness watches the networks themselves.
        self._main_and_guide = (main, guide)

    @property
    def sigma_range(self) -> tuple[float, float]:
        """The noise levels of the main network."""
        return self._denoisers[0].sigma_range

    @property
    def chain_betas(self) -> Tensor:
        """The betas of the main network's chain."""
        return self._chains[0].chain_betas

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """The guided estimate of the clean data, (B, …). sigma: 0-dim, or (B,) of equal levels."""
        main, guide = self._denoisers
        denoised = main.denoise(x, sigma, labels)
        if not self.guides(float(sigma.flatten()[0])):
            return denoised
        return self._extrapolate(denoised, guide.denoise(x, sigma, self._guide_labels(labels)))

    def predict_noise(self, x: Tensor, time: float | Tensor, labels: Tensor | None) -> Tensor:
        """The guided estimate of the noise, (B, …). time: one time, or (B,) of equal times."""
        main, guide = self._chains
        eps = main.predict_noise(x, time, labels)
        if not self.guides(self._sigma(time)):
            return eps
        return self._extrapolate(eps, guide.predict_noise(x, time, self._guide_labels(labels)))

    def guides(self, sigma: float) -> bool:
        """Say whether a noise level is guided. Source: Kynkäänniemi et al. 2024, Eq. 6."""
        high = math.inf if self.config.high is None else self.config.high
        return self.config.edm2_weight != 1 and self.config.low <= sigma <= high

    @property
    def _denoisers(self) -> tuple[Denoises, Denoises]:
        main, guide = self._main_and_guide
        return cast(Denoises, main), cast(Denoises, guide)

    @property
    def _chains(self) -> tuple[NoiseChain, NoiseChain]:
        main, guide = self._main_and_guide
        return cast(NoiseChain, main), cast(NoiseChain, guide)

    def _extrapolate(self, main: Tensor, guide: Tensor) -> Tensor:
        return guide.lerp(main, self.config.edm2_weight)

    def _guide_labels(self, labels: Tensor | None) -> Tensor | None:
        return labels if self.guide_has_labels else None

    def _sigma(self, time: float | Tensor) -> float:
        """The noise of a chain's state relative to its signal, sqrt((1 - alpha_bar) / alpha_bar), at the nearest whole step."""
        step = round(float(time.flatten()[0]) if isinstance(time, Tensor) else float(time))
        alpha_bar = float(torch.exp(torch.log1p(-self.chain_betas)[: step + 1].sum()))
        return math.sqrt((1 - alpha_bar) / alpha_bar)


class _Guided:
    """Base class of both kinds of guidance: the sampler inside, with its preparation and its guides.

    Args:
        guides: the bases of the board that are guides of this sampler itself.
    """

    guides: Sequence[str] = ()

    def __init__(self, config: GuidanceConfig) -> None:
        self.config = config
        self.inner = config.sampler.create()
        self._networks: dict[str, nn.Module] = {}

    @property
    def needs_preparation(self) -> bool:
        """Whether the inner sampler needs one."""
        return isinstance(self.inner, PreparedSampler) and self.inner.needs_preparation

    def prepare(self, model: nn.Module, spec: DataSpec, train: Batch, generator: torch.Generator) -> Mapping[str, Tensor]:
        """Prepare the inner sampler, on the model without guidance."""
        return cast(PreparedSampler, self.inner).prepare(model, spec, train, generator)

    def use(self, prepared: Mapping[str, Tensor]) -> None:
        """Hand the preparation to the inner sampler."""
        cast(PreparedSampler, self.inner).use(prepared)

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The guides of this sampler and of the inner one, by the names of their bases."""
        return self._networks

    def take_networks(self, networks: Mapping[str, nn.Module]) -> None:
        """Take the guides out of the board's bases by name, and hand the bases to the inner sampler."""
        self._networks = {name: networks[name] for name in self.guides}
        if isinstance(self.inner, GuidedSampler):
            self.inner.take_networks(networks)
            self._networks |= dict(self.inner.networks)


class ClassifierFree(_Guided):
    """Classifier-free guidance: the guide is the network itself without labels. Source: Ho and Salimans 2022."""

    @torch.no_grad()
    def __call__(self, model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape).

        On data without classes there is nothing to guide by, and the samples are those of the inner sampler.
        """
        if labels is None:
            return self.inner(model, spec, streams, labels)
        return self.inner(GuidedModel(self.config, model, model, guide_has_labels=False), spec, streams, labels)


class Autoguidance(_Guided):
    """Autoguidance: the guide is another base of the board, with the same labels. Source: Karras et al. 2024 (autoguidance)."""

    config: AutoguidanceConfig

    def __init__(self, config: AutoguidanceConfig) -> None:
        super().__init__(config)
        self.guides = (config.guide,)

    @torch.no_grad()
    def __call__(self, model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape). Raises: UserError where no board has given a guide."""
        guide = self.networks.get(self.config.guide)
        if guide is None:
            raise UserError(
                f"sampler autoguidance: its guide {self.config.guide!r} is a base of a board, and there is no board here; "
                "run the sampler from a board that has this base"
            )
        return self.inner(GuidedModel(self.config, model, guide, guide_has_labels=True), spec, streams, labels)
