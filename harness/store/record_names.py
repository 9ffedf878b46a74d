"""Names of rows, floors and records, as tables and file names show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


def row_name(base: str, method: str, size: int | None = None) -> str:
    """Return `base/method`; on a board with several numbers of samples `base/method/n500`."""
    return f"{base}/{method}" + ("" if size is None else f"/n{size}")


def floor_name(metric: str, size: int | None = None) -> str:
    """Return `fid[fashion-cnn]`; on a board with several numbers of samples `fid[fashion-cnn]__n500`."""
    return metric if size is None else f"{metric}__n{size}"  # no column's name has "__"


@dataclass(frozen=True)
class RecordName:
    """Which of a board's records is meant: a cell's, or a floor's.

    Args:
        kind: what the record is of.
        name: the cell's or floor's name: `net/fit/s0`, `fid[fashion-cnn]`.
    """

    kind: Literal["cell", "floor"]
    name: str

    @property
    def file_stem(self) -> str:
        """The record's part of a file name: `net__fit__s0`, `floor__fid[fashion-cnn]`."""
        return f"floor__{self.name}" if self.kind == "floor" else self.name.replace("/", "__")

    def __str__(self) -> str:
        """The name as messages and pages show it."""
        return f"floor of {self.name}" if self.kind == "floor" else self.name
