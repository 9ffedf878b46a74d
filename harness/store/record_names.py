"""Names of table rows, floors and records, which records carry inside and in the names of their files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


def row_name(base: str, method: str, size: int | None = None) -> str:
    """Return the name of a row, `base/method`, or `base/method/n500` on a board that measures several numbers of samples.

    Args:
        size: the row's number of samples on such a board.
    """
    return f"{base}/{method}" + ("" if size is None else f"/n{size}")


def floor_name(metric: str, size: int | None = None) -> str:
    """Return the name of a floor, `fid[fashion-cnn]`, or `fid[fashion-cnn]__n500` for one of several numbers of samples."""
    return metric if size is None else f"{metric}__n{size}"  # the name of a metric never contains "__"


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

    @property
    def file_name(self) -> str:
        """The name of the record's published file; the files of a runs folder have the key in their names."""
        return f"{self.file_stem}.json"

    def __str__(self) -> str:
        """The name as messages and pages show it."""
        return f"floor of {self.name}" if self.kind == "floor" else self.name
