"""Rows compared by their means over the cells of each base: a test about further bases, where several cells share a base."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from harness.board.board import Board
from harness.board.columns import Column
from harness.report.rows import TableRow
from harness.statistics.paired import PairedDifference, paired_difference_of_groups
from harness.store.record_names import row_name

ALONE = -1
"""The group of a seed that a row has no cell of; no row has a value there."""


class SharedBases(NamedTuple):
    """The numbers of bases and of seeds of cells, where a base has several of them."""

    bases: int
    seeds: int


class BaseMeans:
    """The comparisons of rows whose base is pretrained at least twice, and fewer times than they have seeds."""

    def __init__(self, board: Board) -> None:
        self._seeds = board.seeds
        self._bases_by_row: dict[str, dict[int, int]] = {}
        for cell in board.cells:
            if cell.base.paired_seed is not None:
                self._bases_by_row.setdefault(cell.row.name, {})[cell.seed] = cell.base.paired_seed

    def shared(self, row: TableRow, other: TableRow | None = None) -> SharedBases | None:
        """Return the bases and seeds of a row's cells, or of those whose seeds another row of the base has too.

        Returns: None where no two of these cells share a base, and where the board pretrains the base for no list of seeds.
        """
        base_of = self._bases_of(row)
        seeds = set(base_of) if other is None else set(base_of) & set(self._bases_of(other))
        bases = {base_of[seed] for seed in seeds}
        return SharedBases(len(bases), len(seeds)) if len(bases) < len(seeds) else None

    def difference(self, row: TableRow, other: TableRow | None, column: Column) -> PairedDifference | None:
        """Return the row less another of its base, None where there is none.

        Returns: None also where no cells that are compared share a base, and where all of them do.
        """
        shared = None if other is None else self.shared(row, other)
        if other is None or shared is None or shared.bases < 2:
            return None
        base_of = self._bases_of(row)
        groups = [base_of.get(seed, ALONE) for seed in self._seeds]
        return paired_difference_of_groups(row.values_of(column), other.values_of(column), groups)

    def _bases_of(self, row: TableRow) -> Mapping[int, int]:
        """Return the seed of the base of each seed of a row."""
        return self._bases_by_row.get(row_name(row.base, row.method, row.size, row.sampler), {})
