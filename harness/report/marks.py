"""Marks of a table's figures: the best mean of a column, and means that cannot be told from real data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.board.columns import Column
from harness.report.rows import TableRow
from harness.report.scores import Score
from harness.store.record_names import floor_name


def marked_rows(rows: Sequence[TableRow], columns: Sequence[Column], floors: Mapping[str, Score]) -> list[TableRow]:
    """Return the rows with their marks. Rows compete with the rows of the same number of samples.

    Args:
        floors: each floor's score by the floor's name.
    """
    best = {
        size: {column.name: best_mean([row for row in rows if row.size == size], column) for column in columns}
        for size in {row.size for row in rows}
    }
    return [_marked(row, columns, best[row.size], floors) for row in rows]


def best_mean(rows: Sequence[TableRow], column: Column) -> float | None:
    """Return the best mean among the rows that compete.

    Returns: None when no such row has a score, and while the best is not known because a row that may win lacks seeds.
    """
    if any(row.may_yet_compete for row in rows):
        return None
    means = [row.scores[column.name].mean for row in rows if row.competes and column.name in row.scores]
    if not means:
        return None
    return max(means) if column.higher_is_better else min(means)


def is_at_floor(mean: float, floor: Score, column: Column) -> bool:
    """Return whether the mean is within two standard deviations of the floor's mean, or on the better side of it."""
    slack = 2 * (floor.sd or 0.0)
    return mean >= floor.mean - slack if column.higher_is_better else mean <= floor.mean + slack


def _marked(row: TableRow, columns: Sequence[Column], best: Mapping[str, float | None], floors: Mapping[str, Score]) -> TableRow:
    is_best, at_floor = set(), set()
    for column in columns:
        if (score := row.score(column)) is None:
            continue
        if row.competes and score.mean == best[column.name]:
            is_best.add(column.name)
        floor = floors.get(floor_name(column.name, row.size))
        if floor is not None and is_at_floor(score.mean, floor, column):
            at_floor.add(column.name)
    return replace(row, is_best=frozenset(is_best), at_floor=frozenset(at_floor))
