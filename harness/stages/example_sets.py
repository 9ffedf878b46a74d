"""Sets of examples that metrics compare: real ones of a dataset, and generated ones in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from harness.errors import UserError
from harness.images.sets import ImageSet
from harness.indexed import IndexedExamples, read_examples, whole
from harness.indexed_sets import ChosenRows
from harness.interfaces import Batch
from harness.stages import sources
from harness.stages.checked import CheckedSource
from harness.store.records import SourceFacts

SAMPLES = "samples.safetensors"
"""The file of a cell's sample sets: tensors `x.D` and, for labelled data, `labels.D` for draw D."""

_FLOATS = ("F16", "BF16", "F32", "F64")
"""The types of samples, by their names in the header of a safetensors file."""


class IdentifiedImages(NamedTuple):
    """A set of images and its identity: JSON values that no other set has.

    Generated images are identified by their hash. Real images are identified by the dataset, its fingerprint, and which of its
    images they are.

    Args:
        sources: the code that makes the images, where the identity leaves it out; empty where the identity is a hash of them.
    """

    images: ImageSet
    identity: Mapping[str, object]
    sources: Sequence[SourceFacts] = ()


class ExampleSet(Protocol):
    """One side of a comparison."""

    def points(self) -> Batch:
        """Return the examples, on the CPU."""
        ...

    def images(self) -> IdentifiedImages:
        """Return the examples as images, which are read batch by batch."""
        ...


@dataclass(frozen=True)
class RealExamples:
    """Real examples of a dataset.

    Args:
        draw: number of the draw; None for the first n training examples.
        n: how many.
        is_selection: whether the draw is of the examples that the curve compares with.
    """

    source: CheckedSource
    draw: int | None
    n: int
    is_selection: bool = False

    def points(self) -> Batch:
        """Return the examples, on the CPU."""
        if self.draw is None:
            return whole(self._set)
        return (self.source.selection if self.is_selection else self.source.evaluation)(self.draw, self.n)

    @property
    def _set(self) -> IndexedExamples:
        """The examples, to be read row by row."""
        if self.draw is None:
            training = self.source.training_set
            return ChosenRows(training, torch.arange(min(self.n, len(training))))
        return (self.source.selection_set if self.is_selection else self.source.evaluation_set)(self.draw, self.n)

    def images(self) -> IdentifiedImages:
        """Return the examples as images, read batch by batch. Where features are stored, none is read or drawn."""
        examples: Callable[[], IndexedExamples] = cache(lambda: self._set)
        part = "selection" if self.is_selection else "evaluation"
        which = "training images" if self.draw is None else f"{part} draw {self.draw}"
        n = self.n if self.draw is not None else min(self.n, len(self.source.training_set))
        identity = {
            "dataset": self.source.identity,
            "fingerprint": self.source.fingerprint,
            "draw": "train" if self.draw is None else self.draw,
        }
        images = ImageSet.of_floats(
            f"{self.source.name}, {which}", n, self.source.spec.shape, lambda start, end: read_examples(examples(), torch.arange(start, end)).x
        )
        return IdentifiedImages(images, identity, sources.of(self.source.dataset))


@dataclass(frozen=True)
class StoredSamples:
    """One draw of a file of sample sets.

    Args:
        sha256: hash of the draw.
    """

    file: Path
    draw: int
    sha256: str

    def points(self) -> Batch:
        """Return the samples, on the CPU."""
        return read_draw(self.file, self.draw)

    def images(self) -> IdentifiedImages:
        """Return the samples as images, which are read from the file batch by batch."""
        return IdentifiedImages(stored_images(self.file, self.draw), {"generated": self.sha256})


def read_draw(file: Path, draw: int) -> Batch:
    """Read one draw of a file of sample sets, on the CPU, and leave the others on the disk. Raises: UserError without it."""
    labels = f"labels.{draw}"
    try:
        with safe_open(file, framework="pt") as tensors:
            return Batch(tensors.get_tensor(f"x.{draw}"), tensors.get_tensor(labels) if labels in set(tensors.keys()) else None)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: cannot be read: {error}") from None


def stored_images(file: Path, draw: int, name: str = "the generated samples") -> ImageSet:
    """Return one draw of a file of sample sets as images, which are read batch by batch. name: for messages."""
    try:
        with safe_open(file, framework="pt") as tensors:
            stored = tensors.get_slice(f"x.{draw}")
            shape, kind = stored.get_shape(), stored.get_dtype()
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: cannot be read: {error}") from None
    if not shape or kind not in _FLOATS:
        raise UserError(f"{file}: x.{draw} holds {kind} values of shape {tuple(shape)}, and samples are floats (n, …)")
    n, *shape = shape

    def part(start: int, end: int) -> Tensor:
        with safe_open(file, framework="pt") as tensors:
            return tensors.get_slice(f"x.{draw}")[start:end]

    return ImageSet.of_floats(name, n, tuple(shape), part)
