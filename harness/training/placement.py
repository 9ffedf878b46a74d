"""Where training examples are kept: on the device, in the memory of the host, or where the dataset has them. No number moves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.indexed import IndexedExamples, StoredExamples
from harness.indexed_sets import InMemory
from harness.process import stop
from harness.training.config import DataPlace

SHARE_OF_CARD = 0.25
"""Training examples stay on a card by themselves if their stored bytes are at most this share of its memory."""
SMALL = 2**27
"""Bytes of training examples that a CPU keeps in memory by itself: reading rows of a file takes longer than a short step."""
CHUNK_BYTES = 2**26
"""Bytes that are read at once where a set is read as a whole."""


@dataclass(frozen=True, eq=False)
class Kept(IndexedExamples):
    """Examples of a set, kept as they are stored in the memory of the device or the host.

    Args:
        stored: all of them.
        source: the set, which converts them.
    """

    stored: StoredExamples
    source: IndexedExamples

    def __len__(self) -> int:
        return len(self.stored)

    def read(self, rows: Tensor) -> StoredExamples:
        """Return the examples with these numbers, on the device where they are kept."""
        return InMemory(self.stored).read(rows)

    def examples(self, values: Tensor) -> Tensor:
        """Convert stored values as the set does."""
        return self.source.examples(values)


def is_kept(examples: IndexedExamples, *, on: torch.device | None = None) -> bool:
    """Return whether the examples are in memory, so that reading them waits for no disk. on: only in that of this device."""
    return isinstance(examples, Kept | InMemory) and (on is None or examples.stored.values.device.type == on.type)


def placed(examples: IndexedExamples, where: DataPlace, device: torch.device) -> IndexedExamples:
    """Return the set where a training on `device` reads it.

    Args:
        where: `auto` keeps on a card what fits SHARE_OF_CARD of its memory, for a CPU what is SMALL, and reads everything else as
            the set gives it. On a CPU, `device` and `host` are the same.
    Raises: Interrupted when a stop was requested; what reading the set raises.
    """
    if where == "disk" or (where == "auto" and not _fits(examples, device)):
        return examples
    place = torch.device("cpu") if where == "host" else device
    if isinstance(examples, InMemory):
        stored = examples.stored.to(place)
        return examples if stored.values is examples.stored.values else Kept(stored, examples)
    return Kept(_read_all(examples, place), examples)


def row_bytes(examples: IndexedExamples) -> int:
    """Return the bytes of one example, as stored."""
    first = examples.read(torch.zeros(1, dtype=torch.int64)).values
    return first.numel() * first.element_size()


def _fits(examples: IndexedExamples, device: torch.device) -> bool:
    return fits(len(examples) * row_bytes(examples), device)


def fits(size: int, device: torch.device) -> bool:
    """Return whether so many bytes stay on the device by themselves: SHARE_OF_CARD of a card's memory, or SMALL for a CPU."""
    if device.type != "cuda":
        return size <= SMALL
    return size <= SHARE_OF_CARD * torch.cuda.get_device_properties(device).total_memory


def _read_all(examples: IndexedExamples, place: torch.device) -> StoredExamples:
    """Read the set in chunks into tensors that are made once: the peak is the set and a chunk."""
    n, size = len(examples), max(1, CHUNK_BYTES // max(1, row_bytes(examples)))
    values, labels = None, None
    for start in range(0, n, size):
        stop.check()
        rows = torch.arange(start, min(start + size, n))
        part = examples.read(rows)
        if values is None:
            values = torch.empty((n, *part.values.shape[1:]), dtype=part.values.dtype, device=place)
            labels = None if part.labels is None else torch.empty(n, dtype=part.labels.dtype, device=place)
        values[start : start + len(part)] = part.values
        if labels is not None and part.labels is not None:
            labels[start : start + len(part)] = part.labels
    assert values is not None, "a checked set has examples"
    return StoredExamples(values, labels)
