"""A board that was read and checked, with all that a run and a report need to know of it. Picklable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.board.bases import Base
from harness.board.cells import Cell
from harness.board.columns import Column, Floor
from harness.board.components import Resolved
from harness.board.filters import Filter
from harness.board.schema import BoardConfig
from harness.components import Dataset


@dataclass(frozen=True)
class Board:
    """A checked board.

    Args:
        name: the folder's name.
        cells: every cell, in the order of the file: bases, then methods, then seeds; skipped ones included.
        floors: one for each column, and for each number of samples where there are several.
    """

    name: str
    folder: Path
    config: BoardConfig
    dataset: Resolved[Dataset]
    bases: tuple[Base, ...]
    cells: tuple[Cell, ...]
    columns: tuple[Column, ...]
    floors: tuple[Floor, ...]
    is_smoke: bool

    def select(self, only: Filter, *, where: str = "--only") -> list[Cell]:
        """The cells that a filter keeps. Raises: UserError for a value that no cell has."""
        only.check([cell.facts for cell in self.cells], where=where)
        return [cell for cell in self.cells if only.keeps(cell.facts)]
