"""Sets of examples that metrics compare: real ones of a dataset, and generated ones in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from harness.errors import UserError
from harness.images.quantise import to_floats
from harness.images.sets import ImageSet
from harness.indexed import IndexedExamples, read_examples, whole
from harness.indexed_sets import ChosenRows
from harness.interfaces import Batch
from harness.stages import sources
from harness.stages.checked import CheckedSource
from harness.store.records import SourceFacts
from harness.streams import stream
from harness.weights.tensor_rows import TensorRows, tensors

SAMPLES = "samples.safetensors"
"""The file of a cell's sample sets: tensors `x.D` and, for labelled data, `labels.D` for draw D. Images are bytes; floats where a
metric compares the samples themselves, and in files of older versions. Other samples are floats."""

_FLOATS = ("F16", "BF16", "F32", "F64")
"""The types of samples as they were drawn, by their names in the header of a safetensors file."""


SPREAD = "spread"
"""Stands in keys and identities of a part of the training images, where earlier versions took the first ones."""


def spread_rows(n: int, total: int) -> Tensor:
    """Return the numbers of n training examples out of `total`, or of all where there are fewer, in the order of the set.

    Sets are often sorted by class, so that their first examples are of a few classes. The numbers are the first n of one
    permutation: a larger choice has those of a smaller one, and the choice of all is the set itself.
    """
    chosen = torch.randperm(total, generator=stream(0, "training images of a comparison"))[:n]
    return chosen.sort().values


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
        draw: number of the draw; None for n training examples: as images those of `spread_rows`, as points the first ones.
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
            training = self.source.training_set
            return whole(ChosenRows(training, torch.arange(min(self.n, len(training)))))
        return (self.source.selection if self.is_selection else self.source.evaluation)(self.draw, self.n)

    @property
    def _set(self) -> IndexedExamples:
        """The examples of `images`, to be read row by row."""
        if self.draw is None:
            training = self.source.training_set
            return ChosenRows(training, spread_rows(self.n, len(training)))
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
        if self.draw is None and n < len(self.source.training_set):
            identity["rows"] = SPREAD
        images = ImageSet.of_parts(
            f"{self.source.name}, {which}",
            n,
            self.source.spec.shape,
            lambda start, end: read_examples(examples(), torch.arange(start, end)).x,
        )
        return IdentifiedImages(images, identity, sources.of(self.source.dataset))


@dataclass(frozen=True)
class StoredSamples:
    """One draw of a file of sample sets.

    Args:
        sha256: hash of the draw.
        n: number of its samples. The file may hold fewer, where the features of all are stored.
    """

    file: Path
    draw: int
    sha256: str
    n: int

    def points(self) -> Batch:
        """Return the samples as they were drawn, on the CPU."""
        assert draw_rows(self.file, self.draw).dtype != torch.uint8, "the stage keeps floats where a metric compares the samples"
        return read_draw(self.file, self.draw)

    def images(self) -> IdentifiedImages:
        """Return the samples as images, which are read from the file batch by batch, unless their features are stored."""
        images = stored_images(self.file, self.draw)
        if (kept := images.n) < self.n:
            images = replace(images, n=self.n, batches=lambda _: self._refuse(kept))
        return IdentifiedImages(images, {"generated": self.sha256})

    def _refuse(self, kept: int) -> Iterator[Tensor]:
        raise UserError(
            f"{self.file}: holds {kept:,} of {self.n:,} samples (keep_samples), and their features are gone; make the cell anew "
            "with `harness run BOARD --fresh FILTER`"
        )


def draw_rows(file: Path, draw: int) -> TensorRows:
    """Return the samples of one draw of a file of sample sets, (n, …), which are read by rows. Raises: UserError without them."""
    name = f"x.{draw}"
    if (rows := tensors(file).get(name)) is None:
        raise UserError(f"{file}: cannot be read: it has no {name}")
    is_of_bytes = rows.kind == "U8" and len(rows.shape) == 4
    if not rows.shape or not (rows.kind in _FLOATS or is_of_bytes):
        raise UserError(
            f"{file}: {name} holds {rows.kind} values of shape {rows.shape}, and samples are floats (n, …), or bytes (n, C, H, W)"
        )
    return rows


def draw_labels(file: Path, draw: int) -> Tensor | None:
    """Return the labels of one draw of a file of sample sets, (n,) int64; None where there are none."""
    labels = tensors(file).get(f"labels.{draw}")
    return None if labels is None else labels.read(0, len(labels))


def read_draw(file: Path, draw: int) -> Batch:
    """Read one draw of a file of sample sets, on the CPU, and leave the others on the disk. Images of bytes become floats.

    Raises: UserError without it.
    """
    rows = draw_rows(file, draw)
    return Batch(to_floats(rows.read(0, len(rows))), draw_labels(file, draw))


def stored_images(file: Path, draw: int, name: str = "the generated samples") -> ImageSet:
    """Return one draw of a file of sample sets as images, which are read batch by batch. name: for messages."""
    rows = draw_rows(file, draw)
    return ImageSet.of_parts(name, len(rows), rows.shape[1:], rows.read)
