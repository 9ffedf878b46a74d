"""Which points of a grid plots leave out: of the many rows of a search, a reader looks for the best."""

from __future__ import annotations

from harness.report.rows import TableRow
from harness.report.table import Table

Place = tuple[str, str]
"""The names of a base and of a method."""
BEST_POINTS = "; of each grid, the point that is best in the first column that ranks"
"""What a caption says where lesser points are left out."""


def lesser_points(table: Table) -> frozenset[Place]:
    """Return the points of grids that another point of the same grid beats on the same base, by the first column that ranks.

    Of equal points the first one stays. A point without a result is beaten by one that has any.
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
    columns = table.ranking_columns
    scored = [(score.mean, row) for row in points if columns and (score := row.score(columns[0])) is not None]
    if not scored:
        return points[0]
    pick = max if columns[0].higher_is_better else min
    return pick(scored, key=lambda pair: pair[0])[1]
