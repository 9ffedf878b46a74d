"""The networks and data that components are about to be used on, as their checks see them. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.interfaces import DataSpec

if TYPE_CHECKING:
    from torch import nn

    from harness.components import Model, Sampler


@dataclass(frozen=True)
class ModelUsage:
    """The data that a model is about to be built for.

    Args:
        data: what the dataset of the board holds.
        augmentation: number of labels that say how training images are augmented; 0 for training on images as they are.
    """

    data: DataSpec
    augmentation: int = 0


@dataclass(frozen=True)
class MethodUsage:
    """The model and the data that a method is about to be run on.

    Args:
        model: the component of the model.
        data: what the network works on: when a board is read what its dataset holds; before a run the latents of a network
            that works on those.
        sampler: the component of the sampler that draws banks and samples; None where it is not known.
    """

    model: Model
    data: DataSpec
    sampler: Sampler | None = None

    @property
    def lacks_tokens(self) -> str | None:
        """Why samples cannot be had as tokens, for a message; None where they can."""
        if "TakesTokens" not in self.model.provides:
            return f"{self.model.name} lacks TakesTokens"
        if self.sampler is not None and not self.sampler.draws_tokens:
            return f"the sampler {self.sampler.name} gives no tokens"
        return None

    @property
    def lacks_levels(self) -> str | None:
        """Why samples cannot be rounded to grey levels, for a message; None where they can."""
        return None if self.data.preview == "images" else f"the model generates {self.data.preview}, which have no grey levels"


@dataclass(frozen=True)
class SamplerUsage:
    """The network that a sampler is about to draw from.

    Args:
        network: provides what the sampler needs. It is built on the meta device where its code allows it: its tensors have
            shapes, and may have no values.
    """

    network: nn.Module


@dataclass(frozen=True)
class MetricUsage:
    """The sets of examples that a metric is about to compare.

    Args:
        images: number of examples in each of the two sets; None for statistics from a file that does not state the number.
        outputs: dimension of each output of the extractor, by name; empty for a metric of the samples themselves.
    """

    images: int | None
    outputs: Mapping[str, int] = field(default_factory=dict)
