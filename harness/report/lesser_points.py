"""Which points of a grid plots leave out: of the many rows of a search, a reader looks for the best."""

from __future__ import annotations

from harness.report.common_seeds import mean_at, shared_places
from harness.report.rows import TableRow
from harness.report.table import Table

Place = tuple[str, str]
"""The names of a base and of a method."""
BEST_POINTS = "; of each grid, the point that is best in the first column that ranks"
"""What a caption says where lesser points are left out."""


def lesser_points(table: Table) -> frozenset[Place]:
    """Return the points of grids that another point of the same grid beats on the same base, by the first column that ranks.

    Of equal points the first one stays. A point without a result is beaten by one that has any, and one that lacks seeds by one
    that is whole: the mean of what it has may flatter. Points are compared over the seeds that they share.
    """
    lesser: set[Place] = set()
    for grid in table.board.grids:
        rows: dict[Place, TableRow] = {}
        for row in table.rows:  # of several numbers of samples or samplers, the first row stands for the point
            if row.method in grid.methods:
                rows.setdefault((row.base, row.method), row)
        for base in dict.fromkeys(base for base, _ in rows):
            points = [row for place, row in rows.items() if place[0] == base]
            best = _best(points, table)
            lesser.update((base, row.method) for row in points if row is not best)
    return frozenset(lesser)


def _best(points: list[TableRow], table: Table) -> TableRow:
    if not table.ranking_columns:
        return points[0]
    column = table.ranking_columns[0]
    scored = [row for row in points if row.score(column) is not None]
    candidates = [row for row in scored if row.is_whole] or scored
    if not candidates:
        return points[0]
    shared = shared_places(candidates, column)
    values = [(value, row) for row in candidates if (value := mean_at(row, column, shared)) is not None]
    if not values:  # no seed is done in all of them
        return max(candidates, key=lambda row: row.done)
    pick = max if column.higher_is_better else min
    return pick(values, key=lambda pair: pair[0])[1]
