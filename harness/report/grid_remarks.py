"""Remarks on grids of settings: best points that lie at an edge, ties, and grids without a point that is better than the base."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from harness.board.columns import Column
from harness.board.grids import MethodGrid, split_point
from harness.report.common_seeds import Places, mean_at, shared_places
from harness.report.differences import ReferenceRows
from harness.report.markup import markdown_text
from harness.report.phrases import LISTED
from harness.report.rows import Block, TableRow
from harness.report.table import Table
from harness.statistics.paired import is_rounding

Numbers = Mapping[str, Sequence[float]]
"""The different values of each parameter of a grid, by its name, in order; none of a parameter of words, which have no order."""


def grid_remarks(table: Table) -> Iterator[str]:
    """Yield a line in Markdown for each grid on a base whose best point is in doubt, by the first column that ranks.

    A grid is silent while it lacks seeds. A point whose seeds did not all end well is never the best. Points and base are
    compared over the seeds that they share: a grid may run on some seeds of the board only.
    """
    if not table.ranking_columns:
        return
    column, references = table.ranking_columns[0], ReferenceRows(table.rows, ())
    for grid in table.board.grids:
        for points in _points_by_place(grid, table.rows):
            whole = [row for row in points if row.is_whole and row.score(column) is not None]
            if whole and not any(row.lacking for row in points):
                for doubt in _doubts(whole, column, references.base_of(whole[0]), _numbers(points)):
                    yield markdown_text(f"{_name(grid, points[0])}: by {column.label}, {doubt}")


def _points_by_place(grid: MethodGrid, rows: Sequence[TableRow]) -> list[list[TableRow]]:
    """Return the rows of a grid, together those of one base, number of samples and sampler."""
    methods = frozenset(grid.methods)
    places: dict[tuple[str, Block], list[TableRow]] = defaultdict(list)
    for row in rows:
        if row.method in methods:
            places[row.base, row.block].append(row)
    return list(places.values())


def _name(grid: MethodGrid, row: TableRow) -> str:
    size = [] if row.size is None else [f"n = {row.size:,}"]
    sampler = [] if row.sampler_label is None else [row.sampler_label]
    return ", ".join([f"{row.base_label} × {grid.label}", *size, *sampler])


def _doubts(rows: Sequence[TableRow], column: Column, base: TableRow | None, numbers: Numbers) -> Iterator[str]:
    """Yield why the best of a grid's rows is none, or may be none."""
    shared = shared_places(rows, column)
    if not shared.any():
        return
    values = [_value(row, column, shared) for row in rows]
    best = max(values) if column.higher_is_better else min(values)
    if base is not None and base.is_whole and _is_no_worse(base, rows, column):
        yield "no point of the grid is better than the base"
        return
    tied = [row for row, value in zip(rows, values, strict=True) if is_rounding(value, best)]
    edges = [_edges(row, numbers) for row in tied]
    if len(tied) > 1:
        more = f" and {len(tied) - LISTED:,} more" if len(tied) > LISTED else ""
        yield f"points tie for the best: {'; '.join(_point_text(row) for row in tied[:LISTED])}{more}"
    if common := [edge for edge in edges[0] if all(edge in others for others in edges)]:
        yield f"the best point lies at an edge of the grid, which is to be widened: {', '.join(common)}"


def _is_no_worse(base: TableRow, rows: Sequence[TableRow], column: Column) -> bool:
    """Return whether no row is better than the base, over the seeds that all of them share; False where they share none."""
    shared = shared_places([base, *rows], column)
    if not shared.any():
        return False
    of_base, *values = [_value(row, column, shared) for row in (base, *rows)]
    best = max(values) if column.higher_is_better else min(values)
    return is_rounding(of_base, best) or (of_base > best) == column.higher_is_better


def _value(row: TableRow, column: Column, places: Places) -> float:
    found = mean_at(row, column, places)
    assert found is not None, "the row has a value in each seed"
    return found


def _point_text(row: TableRow) -> str:
    return ", ".join(f"{name} {value}" for name, value in split_point(row.method)[1].items())


def _numbers(points: Sequence[TableRow]) -> Numbers:
    texts: dict[str, set[str]] = defaultdict(set)
    for row in points:
        for name, text in split_point(row.method)[1].items():
            texts[name].add(text)
    return {name: _as_numbers(found) for name, found in texts.items()}


def _as_numbers(texts: set[str]) -> list[float]:
    """Return values in their order; none where any of them is a word."""
    try:
        return sorted(float(text) for text in texts)
    except ValueError:
        return []


def _edges(row: TableRow, numbers: Numbers) -> list[str]:
    """Return the parameters of a point that have the smallest or the largest of the grid's numbers, each with its value."""
    edges = []
    for name, text in split_point(row.method)[1].items():
        values = numbers[name]
        if len(values) > 1 and float(text) in (values[0], values[-1]):
            end = "smallest" if float(text) == values[0] else "largest"
            edges.append(f"{name} {text} (the {end} of {len(values)})")
    return edges
