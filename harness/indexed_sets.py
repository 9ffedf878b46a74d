"""Sets of examples that are read row by row: tensors in memory, values in a file, and chosen rows of another set."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from harness.indexed import WHITE, IndexedExamples, StoredExamples, bytes_to_floats
from harness.interfaces import Batch, DataSpec
from harness.row_files import RowFile


@dataclass(frozen=True, eq=False)
class InMemory(IndexedExamples):
    """Examples whose stored values are one tensor.

    Args:
        stored: all of them.
        white: the byte that becomes 1, where values are bytes.
    """

    stored: StoredExamples
    white: float = WHITE

    @classmethod
    def of(cls, batch: Batch) -> InMemory:
        """Return examples that are float32 already as a set."""
        return cls(StoredExamples(batch.x, batch.labels))

    def __len__(self) -> int:
        return len(self.stored)

    def read(self, rows: Tensor) -> StoredExamples:
        """Return the examples with these numbers, on the device of the tensors."""
        values, labels = self.stored.values, self.stored.labels
        place = rows.to(values.device)
        return StoredExamples(values[place], None if labels is None else labels[place])

    def examples(self, values: Tensor) -> Tensor:
        """Convert stored values to float32: bytes by `white`, floats as they are."""
        return values.float() if values.is_floating_point() else bytes_to_floats(values, self.white)


@dataclass(frozen=True, eq=False)
class InFile(IndexedExamples):
    """Examples whose stored values are in a file, and whose labels are in memory.

    Args:
        values: the file.
        labels: (n,) int64, or None.
        white: the byte that becomes 1, where values are bytes.
    """

    values: RowFile
    labels: Tensor | None = None
    white: float = WHITE

    def __len__(self) -> int:
        return len(self.values)

    def read(self, rows: Tensor) -> StoredExamples:
        """Return the examples with these numbers. Raises: UserError when the file is gone or too short."""
        return StoredExamples(self.values.read(rows), None if self.labels is None else self.labels[rows])

    def examples(self, values: Tensor) -> Tensor:
        """Convert stored values to float32: bytes by `white`, floats as they are."""
        return values.float() if values.is_floating_point() else bytes_to_floats(values, self.white)


@dataclass(frozen=True, eq=False)
class ChosenRows(IndexedExamples):
    """Some examples of another set, such as a draw of held-out ones.

    Args:
        rows: (n,) int64, the numbers of the examples in `source`, on the CPU.
    """

    source: IndexedExamples
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, rows: Tensor) -> StoredExamples:
        """Return the examples with these numbers among the chosen ones."""
        return self.source.read(self.rows[rows])

    def examples(self, values: Tensor) -> Tensor:
        """Convert stored values as `source` does."""
        return self.source.examples(values)


@dataclass(frozen=True, eq=False)
class IdentifiedSet(IndexedExamples):
    """A training set: examples, with their spec and their fingerprint (`harness.indexed.TrainingSet`)."""

    source: IndexedExamples
    spec: DataSpec
    fingerprint: str

    def __len__(self) -> int:
        return len(self.source)

    def read(self, rows: Tensor) -> StoredExamples:
        """Return the examples with these numbers."""
        return self.source.read(rows)

    def examples(self, values: Tensor) -> Tensor:
        """Convert stored values as `source` does."""
        return self.source.examples(values)
