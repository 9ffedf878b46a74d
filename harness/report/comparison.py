"""Two rows of a board compared over the seeds that they share, in each column and on each base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from harness.board.columns import Column
from harness.board.grids import matches
from harness.errors import UserError, unknown
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.statistics.bootstrap import bootstrap_interval
from harness.statistics.holm import holm
from harness.statistics.paired import PairedDifference, paired_difference
from harness.statistics.power import pairs_to_tell
from harness.statistics.student import LEVEL
from harness.store.record_names import row_name

ENOUGH_SEEDS = 10
"""Seeds below which the bootstrap's interval is too narrow."""


@dataclass(frozen=True)
class Comparison:
    """Two rows in one column.

    Args:
        difference: first − second over the seeds that are done in both; None for fewer than two.
        bootstrap: the 95 % BCa interval of the mean difference; None for fewer than three pairs, and for
            differences that are equal or zero, as `paired_difference` has them.
        adjusted_p: p adjusted for all comparisons that are made together (Holm).
        pairs_to_tell: how many seeds find such a difference in 80 % of all cases; None without a difference or a spread.
        seeds: those of the board, in the order of the rows' values.
    """

    first: TableRow
    second: TableRow
    column: Column
    difference: PairedDifference | None
    bootstrap: tuple[float, float] | None
    adjusted_p: float | None
    pairs_to_tell: int | None
    seeds: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all seeds of both rows ended well."""
        return self.first.is_whole and self.second.is_whole

    @property
    def better(self) -> TableRow | None:
        """The row that is better by the adjusted p.

        Returns: None where the rows are not told apart, in columns that do not rank, and where a row has not all of its seeds: a
            row must not win by the seeds that diverged.
        """
        if (
            not self.is_whole
            or self.difference is None
            or self.adjusted_p is None
            or self.adjusted_p > LEVEL
            or not self.column.ranks
        ):
            return None
        return self.first if (self.difference.mean > 0) == self.column.higher_is_better else self.second


def compare(table: Table, first: str, second: str, metrics: Sequence[str] = ()) -> list[Comparison]:
    """Compare two methods on each base that has both, or two rows.

    Args:
        first, second: a method's name or label, a grid or points of it as a filter has them (`ddo`, `ddo[lr=1e-4]`), or a row as
            `base/method`, with `/n500` and `/sampler` on boards of several.
        metrics: names of columns; all that rank by default.
    Raises: UserError for a row, method or column that the board lacks, for the same row twice, and for rows that share no base.
    """
    pairs = _pairs(table, first, second)
    return _adjusted([_comparison(a, b, column, table.board.seeds) for column in _columns(table, metrics) for a, b in pairs])


def compare_all(table: Table, column: Column) -> list[Comparison]:
    """Compare each two rows of one base, number of samples and sampler in a column, those that share two done seeds or more.

    p is adjusted for all of these comparisons. There is a bootstrap interval from ENOUGH_SEEDS on.
    """
    rows = [row for row in table.rows if not row.is_data and row.score(column) is not None]
    pairs = [(a, b) for a, b in combinations(rows, 2) if (a.base, a.block) == (b.base, b.block)]
    found = [_comparison(a, b, column, table.board.seeds, bootstrap_from=ENOUGH_SEEDS) for a, b in pairs]
    return _adjusted([each for each in found if each.difference is not None])


def _adjusted(found: Sequence[Comparison]) -> list[Comparison]:
    """Return comparisons that are made together, with their adjusted p."""
    tested = [each.difference.p for each in found if each.difference is not None]
    adjusted = iter(holm(tested))
    return [each if each.difference is None else replace(each, adjusted_p=next(adjusted)) for each in found]


def _comparison(
    first: TableRow, second: TableRow, column: Column, seeds: tuple[int, ...], *, bootstrap_from: int = 0
) -> Comparison:
    a, b = first.values_of(column), second.values_of(column)
    differences = (a - b)[np.isfinite(a) & np.isfinite(b)]
    difference = paired_difference(a, b)
    if difference is None:
        return Comparison(first, second, column, None, None, None, None, seeds)
    has_spread = difference.has_spread
    interval = bootstrap_interval(differences) if has_spread and len(differences) >= bootstrap_from else None
    needed = pairs_to_tell(difference.mean, float(differences.std(ddof=1))) if has_spread else None
    return Comparison(first, second, column, difference, interval, None, needed, seeds)


def _columns(table: Table, metrics: Sequence[str]) -> list[Column]:
    if not metrics:
        if table.ranking_columns:
            return table.ranking_columns
        raise UserError(f"{table.board.name}: no column ranks; name columns with --metric")
    by_name = {column.name: column for column in table.board.columns}
    if lacking := next((name for name in metrics if name not in by_name), None):
        raise unknown("metric", lacking, by_name, where="--metric")
    return [by_name[name] for name in dict.fromkeys(metrics)]


def _pairs(table: Table, first: str, second: str) -> list[tuple[TableRow, TableRow]]:
    """Return the rows to compare: those of the same base, size and sampler, or just the two that are named in full."""
    a, b = _rows_of(table, first), _rows_of(table, second)
    if "/" in first and "/" in second:
        pairs = [(a[0], b[0])]
        if a[0].block != b[0].block:
            raise UserError(f"{first} and {second}: measured with other numbers of samples or samplers, which no test compares")
    else:
        pairs = [(one, other) for one in a for other in b if (one.base, one.block) == (other.base, other.block)]
    if not pairs:
        raise UserError(f"{table.board.name}: {first} and {second} share no base; BASE/METHOD twice compares across bases")
    if any(one is other for one, other in pairs):
        raise UserError(f"{first} and {second} are the same row; a comparison needs two")
    return pairs


def _rows_of(table: Table, name: str) -> list[TableRow]:
    rows = {full_name(row): row for row in table.rows}
    if "/" in name:
        return [_row_of(table, name, rows)]
    found = (
        [row for row in rows.values() if row.method == name]
        or [row for row in rows.values() if row.method_label == name]
        or [row for row in rows.values() if matches(row.method, name)]
    )
    if not found:
        raise unknown("method", name, {row.method for row in rows.values()}, where=f"board {table.board.name}")
    return found


def _row_of(table: Table, name: str, rows: Mapping[str, TableRow]) -> TableRow:
    """Return the row of a full name, whose numbers may be written as in a filter: `edm/ddo[lr=1e-4]`."""
    if name in rows:
        return rows[name]
    base, method, *block = name.split("/")
    found = {
        full: row
        for full, row in rows.items()
        if row.base == base and full.split("/")[2:] == block and matches(row.method, method)
    }
    if not found:
        raise unknown("row", name, rows, where=f"board {table.board.name}")
    if len(found) > 1:
        raise UserError(f"board {table.board.name}: {name} means {len(found)} rows: {', '.join(found)}; name one")
    return next(iter(found.values()))


def full_name(row: TableRow) -> str:
    """Return the name of a row, as claims of findings write it: `base/method`."""
    return row_name(row.base, row.method, row.size, row.sampler)


def values_by_seed(comparison: Comparison) -> Iterator[tuple[int, float | None, float | None]]:
    """Yield (seed, value of the first row, value of the second) for each seed of the board; None where a row has none."""
    column = comparison.column.name
    yield from zip(comparison.seeds, comparison.first.values[column], comparison.second.values[column], strict=True)
