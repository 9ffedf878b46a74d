"""Data of any size: sets of examples that are read row by row, as they are stored. Importing this module costs no torch.

A dataset that does not fit the memory as float32 is an `IndexedSource`. The harness reads the rows of each batch, in whatever
process, and converts them to float32 on the device. Ready-made sets, in memory and in files, are in `harness.indexed_sets`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from harness.interfaces import Batch, DataSpec, SelectionSource

if TYPE_CHECKING:
    import torch
    from torch import Tensor

WHITE = 255.0
"""The byte that becomes 1; 0 becomes -1."""


@dataclass(frozen=True)
class StoredExamples:
    """Examples as they are stored, and their labels.

    Args:
        values: (k, …): bytes of images (k, C, H, W) uint8, float32 points, or another form that `IndexedExamples.examples` reads.
        labels: (k,) int64, or None.
    """

    values: Tensor
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> StoredExamples:
        """Return the examples on `device`."""
        labels = None if self.labels is None else self.labels.to(device, non_blocking=non_blocking)
        return StoredExamples(self.values.to(device, non_blocking=non_blocking), labels)

    def pin_memory(self) -> StoredExamples:
        """Return the examples in memory from which a card copies in the background."""
        return StoredExamples(self.values.pin_memory(), None if self.labels is None else self.labels.pin_memory())


@runtime_checkable
class IndexedExamples(Protocol):
    """A fixed set of examples, numbered from 0, of which any rows can be read.

    The harness may pickle the set, fork its process, and read from several processes at once. A set in files opens them again in
    each process, and keeps no more of them in memory than it was asked for.
    """

    def __len__(self) -> int: ...

    def read(self, rows: Tensor) -> StoredExamples:
        """Return the examples with these numbers, in this order, on the CPU.

        Args:
            rows: (k,) int64, each in [0, len(self)), in any order; a number may come twice.
        Raises: UserError when a file is damaged or gone.
        """
        ...

    def examples(self, values: Tensor) -> Tensor:
        """Convert stored values (k, …), on any device, to the examples (k, *spec.shape) float32 on that device.

        The result is the same on every device, bit for bit. By default a byte u becomes u / 127.5 - 1, and floats become float32.
        """
        return values.float() if values.is_floating_point() else bytes_to_floats(values)


@runtime_checkable
class TrainingSet(IndexedExamples, Protocol):
    """The training examples of a dataset, with what identifies them."""

    @property
    def spec(self) -> DataSpec:
        """The form of one example, once it is converted."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of the stored values and labels of the whole dataset, held-out ones too, known without reading them all.

        Two sets with the same fingerprint hold the same examples, and their datasets give the same evaluation sets.
        """
        ...


@runtime_checkable
class IndexedSource(SelectionSource, Protocol):
    """A dataset whose sets are read row by row. The harness never asks it for a whole set as one tensor.

    A class that derives from this Protocol defines `spec`, `training_set`, `evaluation_set` and `largest_evaluation`, and
    `selection_set` and `largest_selection` where it keeps examples for the curve. It gets all else.
    """

    def training_set(self) -> TrainingSet:
        """Return the training examples."""
        ...

    def evaluation_set(self, draw: int, n: int) -> IndexedExamples:
        """Return evaluation set number `draw` >= 0 with n examples, as `evaluation` would give them.

        Raises: ValueError when the dataset cannot give n.
        """
        ...

    def selection_set(self, draw: int, n: int) -> IndexedExamples:
        """Return selection set number `draw` >= 0 with n of the examples kept for the curve. Raises: ValueError without them."""
        raise ValueError(f"{n} examples asked for the curve; none are kept")

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the whole dataset, which its training examples have."""
        return self.training_set().fingerprint

    @property
    def largest_selection(self) -> int | None:
        """How many examples are kept for the curve; None (the default) where none are."""
        return None

    def train(self) -> Batch:
        """Return all training examples as one tensor, for datasets that fit the memory."""
        return whole(self.training_set())

    def evaluation(self, draw: int, n: int) -> Batch:
        """Return an evaluation set as one tensor. Raises: ValueError when the dataset cannot give n."""
        return whole(self.evaluation_set(draw, n))

    def selection(self, draw: int, n: int) -> Batch:
        """Return a selection set as one tensor. Raises: ValueError when the dataset keeps fewer."""
        return whole(self.selection_set(draw, n))


def bytes_to_floats(values: Tensor, white: float = WHITE) -> Tensor:
    """Return bytes as float32: value / (white / 2) - 1, so that 0 is -1 and `white` is 1.

    The result is the same on every device, bit for bit.
    """
    floats, half = values.float(), white / 2
    # Cards multiply by the reciprocal of a plain number, which rounds otherwise. They divide by a tensor.
    return floats.div_(half if floats.device.type == "cpu" else floats.new_full((), half)).sub_(1)


def read_examples(source: IndexedExamples, rows: Tensor) -> Batch:
    """Return the examples of these rows, float32, on the CPU, without `rows`."""
    stored = source.read(rows)
    return Batch(source.examples(stored.values), stored.labels)


def whole(source: IndexedExamples) -> Batch:
    """Return all examples of a set as one tensor, float32, on the CPU."""
    import torch

    return read_examples(source, torch.arange(len(source)))


def in_chunks(source: IndexedExamples, size: int) -> Iterator[Batch]:
    """Yield all examples of a set in order, `size` at a time, float32, on the CPU."""
    import torch

    for start in range(0, len(source), size):
        yield read_examples(source, torch.arange(start, min(start + size, len(source))))
