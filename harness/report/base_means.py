"""Rows compared by their means over the cells of each base: a test about further bases, where several cells share a base."""

from __future__ import annotations

from harness.board.board import Board
from harness.board.columns import Column
from harness.report.rows import TableRow
from harness.statistics.paired import PairedDifference, paired_difference_of_groups

ALONE = -1
"""The group of a seed that a base has no cell of; no row has a value there."""


class BaseMeans:
    """The comparisons of a board that pretrains a base at least twice, and fewer times than it has seeds."""

    def __init__(self, board: Board) -> None:
        several = {name for name, bases in board.bases_by_name.items() if 2 <= len(bases) < len(board.seeds)}
        seeds = {(cell.base.name, cell.seed): cell.base.paired_seed for cell in board.cells if cell.base.name in several}
        self._groups = {
            name: [ALONE if (paired := seeds.get((name, seed))) is None else paired for seed in board.seeds] for name in several
        }

    def difference(self, row: TableRow, other: TableRow | None, column: Column) -> PairedDifference | None:
        """Return the row less another of its base; None where there is none, and where no cells of the base share weights."""
        if other is None or row.base not in self._groups:
            return None
        return paired_difference_of_groups(row.values_of(column), other.values_of(column), self._groups[row.base])
