"""The distribution over seeds: the value of every seed of every row, beside the floor's pairs of draws."""

from __future__ import annotations

from harness.board.columns import Column
from harness.report.display import column_head
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.site.charts import Chart, ChartGroup, short
from harness.site.figures import PLAIN
from harness.store.record_names import floor_name

CAPTION = "A dot a seed, a bar at the mean; of the floor a dot for each pair of draws of real examples."


def seed_charts(table: Table) -> ChartGroup | None:
    """Return the chart at the largest number of samples; None when no row has a value."""
    largest = max(floor.samples for floor in table.board.floors)
    size = next(floor.size for floor in table.board.floors if floor.samples == largest)
    rows = [row for row in table.rows if row.size == size and row.done]
    columns = table.board.columns
    if not rows:
        return None
    data = {
        "metrics": [column_head(column, "mean", PLAIN) for column in columns],
        "floors": [_floor(table, column, size) for column in columns],
        "rows": [
            {
                "label": row_label(row),
                "values": [_values(row, column) for column in columns],
                "means": [_mean(row, column) for column in columns],
            }
            for row in rows
        ],
    }
    at = "" if size is None else f" At n = {size:,}."
    return ChartGroup("seeds", "Values over seeds", CAPTION + at, (Chart("seeds", "seeds", "Values over seeds", data),))


def row_label(row: TableRow) -> str:
    """Return what names a row in a chart: base, method, sampler."""
    label = row.base_label if row.is_data else f"{row.base_label} × {row.method_label}"
    return label if row.sampler_label is None else f"{label}, {row.sampler_label}"


def _values(row: TableRow, column: Column) -> list[float | None]:
    return [None if value is None else short(value / column.shown_in) for value in row.values.get(column.name, ())]


def _mean(row: TableRow, column: Column) -> float | None:
    score = row.score(column)
    return None if score is None else short(score.mean / column.shown_in)


def _floor(table: Table, column: Column, size: int | None) -> list[float | None]:
    draws = table.draws.get(floor_name(column.name, size))
    return [] if draws is None else [short(value / column.shown_in) for value in draws.values]
