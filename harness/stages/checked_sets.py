"""Sets of examples that are read row by row, as a plugin gives them, checked whenever they are read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.indexed import IndexedExamples, StoredExamples, in_chunks, read_examples
from harness.indexed_sets import IdentifiedSet, InMemory
from harness.interfaces import DataSpec
from harness.stages.example_faults import DataFault, check_batch, stored_fault

AT_ONCE = 2**22
"""Values that are converted at once where a set is looked at as a whole: 16 MB of float32."""
LOOKED_AT = 256
"""Examples of a set in files that are converted and checked before it is used: evenly spread ones."""
MEASURED = 2**27
"""Values of a set, at most, whose size is measured: half a gigabyte of float32. Of a larger set, evenly spread examples are."""


@dataclass(frozen=True, eq=False)
class CheckedExamples(IndexedExamples):
    """A set whose form, labels and floats are checked whenever it is read.

    Args:
        spec: what the dataset declares.
        where: which data these are; messages begin with it.
    """

    source: IndexedExamples
    spec: DataSpec
    where: str

    def __len__(self) -> int:
        return len(self.source)

    def read(self, rows: Tensor) -> StoredExamples:
        """Return the examples with these numbers. Raises: DataFault for another form than the dataset declares."""
        stored = self.source.read(rows)
        if fault := stored_fault(stored, self.spec, len(rows)):
            raise DataFault(f"{self.where}: {fault}")
        return stored

    def examples(self, values: Tensor) -> Tensor:
        """Convert stored values as the set does."""
        return self.source.examples(values)


def checked_set(examples: IndexedExamples, spec: DataSpec, *, where: str) -> IndexedExamples:
    """Return the set, which must be what `spec` declares.

    What is in memory is looked at as a whole, once. Of another set, some examples are, and each read is checked.

    Args:
        where: which data these are; messages begin with it.
    Raises: DataFault, like `check_batch`.
    """
    inner = examples.source if isinstance(examples, IdentifiedSet) else examples
    if not isinstance(inner, IndexedExamples):
        raise DataFault(f"{where}: it gave a {type(inner).__name__}; it must give a harness.indexed.IndexedExamples")
    if not len(inner):
        raise DataFault(f"{where}: there are no examples")
    if isinstance(inner, InMemory):
        if fault := stored_fault(inner.stored, spec, len(inner)):
            raise DataFault(f"{where}: {fault}")
        for batch in in_chunks(inner, _rows_at_once(spec)):
            check_batch(batch, spec, where=where)
        return inner
    checked = CheckedExamples(inner, spec, where)
    check_batch(read_examples(checked, spread_rows(len(checked), LOOKED_AT)), spec, where=where)
    return checked


def spread_rows(n: int, most: int) -> Tensor:
    """Return at most `most` of n rows, evenly spread, in their order."""
    return torch.arange(n) if n <= most else torch.arange(most) * n // most


def root_mean_square(examples: IndexedExamples, spec: DataSpec) -> float:
    """Return the root mean square of all values of the examples; of a set above MEASURED, of evenly spread ones."""
    values = max(1, math.prod(spec.shape))
    rows = spread_rows(len(examples), max(1, MEASURED // values))
    total = sum(float((read_examples(examples, part).x.double() ** 2).sum()) for part in rows.split(_rows_at_once(spec)))
    return math.sqrt(total / (len(rows) * values))


def _rows_at_once(spec: DataSpec) -> int:
    return max(1, AT_ONCE // max(1, math.prod(spec.shape)))
