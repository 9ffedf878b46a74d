"""All comparisons that a finding may claim, which a claim's p is adjusted for: claims are picked by people who saw the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.board.columns import Column
from harness.report.marks import floor_test
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.statistics.holm import holm_within
from harness.statistics.paired import two_sided_p_of_differences
from harness.statistics.student import Floats
from harness.store.record_names import floor_name


@dataclass(frozen=True)
class ClaimFamily:
    """The p of all comparisons that a claim may name on a board, in columns that rank.

    These are each two rows of one number of samples, and each row and the floor. A row whose seeds cannot all end
    well has no part in it, since nothing can be claimed of it. A comparison that is not measured yet has p = 1, so that the size
    does not grow while a board runs.

    Args:
        of_rows: p of two rows. of_floor: p of a row and the floor.
    """

    of_rows: Floats
    of_floor: Floats

    @classmethod
    def of_table(cls, table: Table) -> ClaimFamily:
        """Make all comparisons of a table."""
        rows = [row for row in table.rows if row.done + row.lacking == row.seeds]
        of_rows = [p for column in table.ranking_columns for p in _of_rows(rows, column)]
        of_floor = list(_of_floor(table, rows))
        return cls(np.concatenate([[], *of_rows]), np.array(of_floor, np.float64))

    @property
    def size(self) -> int:
        """The number of comparisons."""
        return len(self.of_rows) + len(self.of_floor)

    def adjusted(self, p: float) -> float:
        """Return the p of one of the comparisons, adjusted for all of them.

        Holm's method needs the p of all others, which are at hand, and is never weaker than Bonferroni's.
        """
        return holm_within(p, np.concatenate([self.of_rows, self.of_floor]))


def _of_rows(rows: Sequence[TableRow], column: Column) -> Iterator[Floats]:
    """Yield p of each row and those after it with its number of samples."""
    for size in dict.fromkeys(row.size for row in rows):
        of_size = [row for row in rows if row.size == size and column.name in row.values]
        # Of a row that lacks seeds nothing can be claimed yet.
        values = [row.values_of(column) * (1.0 if row.is_whole else np.nan) for row in of_size]
        for place, first in enumerate(values[:-1]):
            p = two_sided_p_of_differences(np.stack(values[place + 1 :]), first)
            yield np.where(np.isnan(p), 1.0, p)


def _of_floor(table: Table, rows: Sequence[TableRow]) -> Iterator[float]:
    floors = {floor.name for floor in table.board.floors}
    for column in table.ranking_columns:
        for row in rows:
            if floor_name(column.name, row.size) in floors:
                p = floor_test(row, column, table.draws)
                yield 1.0 if p is None else p
