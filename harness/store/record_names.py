"""Names of table rows, floors and records. A record holds its name, and so does the name of its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


def row_name(base: str, method: str, size: int | None = None, sampler: str | None = None) -> str:
    """Return the name of a row: `base/method`.

    On a board that measures several numbers of samples the number follows, and on a board that measures several samplers the name
    of the sampler: `base/method/n500/heun-18`.

    Args:
        size, sampler: of the row on such a board; None on other boards.
    """
    return f"{base}/{method}" + ("" if size is None else f"/n{size}") + ("" if sampler is None else f"/{sampler}")


def floor_name(metric: str, size: int | None = None) -> str:
    """Return the name of a floor: `fid[fashion-cnn]`, or `fid[fashion-cnn]__n500` on a board of several numbers of samples."""
    return metric if size is None else f"{metric}__n{size}"  # the name of a metric never contains "__"


@dataclass(frozen=True)
class RecordName:
    """The name of one of a board's records.

    Args:
        kind: "cell" for the record of a cell, "floor" for that of a floor.
        name: the cell's or floor's name: `net/fit/s0`, `fid[fashion-cnn]`.
    """

    kind: Literal["cell", "floor"]
    name: str

    @property
    def file_stem(self) -> str:
        """The part of a file name that names the record: `net__fit__s0`, `floor__fid[fashion-cnn]`."""
        return f"floor__{self.name}" if self.kind == "floor" else self.name.replace("/", "__")

    @property
    def file_name(self) -> str:
        """The name of the record's published file. In a runs folder, the name of a record's file also holds the key."""
        return f"{self.file_stem}.json"

    def __str__(self) -> str:
        """The name as messages and pages show it."""
        return f"floor of {self.name}" if self.kind == "floor" else self.name
