"""All rows of a base compared with each other: a matrix of paired differences for each column that ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.report.comparison import Comparison, compare_all
from harness.report.comparison_text import comparison_rows
from harness.report.display import column_head, rounded
from harness.report.lesser_points import BEST_POINTS, lesser_points
from harness.report.number_text import p_value
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.site.charts import MOST_TABLE_ROWS, Chart, ChartGroup, short
from harness.site.figures import PLAIN
from harness.statistics.paired import PairedDifference
from harness.statistics.student import LEVEL

HEADING = "Each method against each"
CAPTION = (
    "The row less the column: the mean difference over the seeds that are done in both, which share real examples and the "
    "weights that they start from. Blue: the row is better; orange: it is worse; the stronger, the larger beside its 95 % "
    f"interval. ✓: told apart by a paired t test, p adjusted (Holm) for all comparisons of the column (level {LEVEL:g})"
)
MOST_ROWS = 24
"""Rows of a matrix beyond which only the best point of each grid has one."""
MOST = 3.0
"""Half widths of its interval at which a difference has the full colour."""


def pair_charts(table: Table) -> ChartGroup | None:
    """Return a chart for each base, number of samples and sampler; None where no two rows share two done seeds."""
    columns = [column_head(column, "mean", PLAIN) for column in table.ranking_columns]
    found = [_shown(compare_all(table, column), table) for column in table.ranking_columns] if table.has_models else []
    places = dict.fromkeys(_place(each) for of_column in found for each in of_column)
    charts = tuple(
        _chart(table, number, columns, [[each for each in of_column if _place(each) == place] for of_column in found])
        for number, place in enumerate(places)
    )
    best = BEST_POINTS if _crowded(table) else ""
    return ChartGroup("comparison", HEADING, f"{CAPTION}{best}", charts) if charts else None


def _shown(comparisons: Sequence[Comparison], table: Table) -> list[Comparison]:
    """Leave lesser points of grids out on bases with too many rows for a matrix that anybody reads."""
    crowded, lesser = _crowded(table), lesser_points(table)

    def is_left_out(row: TableRow) -> bool:
        return row.base in crowded and (row.base, row.method) in lesser

    return [each for each in comparisons if not (is_left_out(each.first) or is_left_out(each.second))]


def _crowded(table: Table) -> frozenset[str]:
    """Return the bases with more than `MOST_ROWS` methods of which some are lesser points of grids."""
    methods: dict[str, set[str]] = {}
    for row in table.rows:
        methods.setdefault(row.base, set()).add(row.method)
    lesser = {base for base, _ in lesser_points(table)}
    return frozenset(base for base, found in methods.items() if base in lesser and len(found) > MOST_ROWS)


def _place(comparison: Comparison) -> tuple[object, ...]:
    return comparison.first.base, *comparison.first.block


def _chart(table: Table, number: int, columns: Sequence[str], found: Sequence[Sequence[Comparison]]) -> Chart:
    """Return the chart of one base. found: its comparisons, by column."""
    everything = [each for of_column in found for each in of_column]
    rows = list({id(row): row for each in everything for row in (each.first, each.second)}.values())
    data = {
        "metrics": list(columns),
        "rows": [row.method_label for row in rows],
        "cells": [[cell for each in of_column for cell in _cells(each, rows)] for of_column in found],
    }
    texts = comparison_rows(table, everything if len(everything) <= MOST_TABLE_ROWS else found[0])
    heads = tuple(texts[0])
    return Chart(f"pairs-{number}", "pairs", _title(rows[0]), data, heads, tuple(tuple(text.values()) for text in texts))


def _title(row: TableRow) -> str:
    parts = [row.base_label, *([row.sampler_label] if row.sampler_label else []), *([f"n = {row.size:,}"] if row.size else [])]
    return ", ".join(parts)


def _cells(comparison: Comparison, rows: Sequence[TableRow]) -> list[Mapping[str, object]]:
    """Return the two cells of a comparison: one row less the other, and the reverse."""
    place_of = {id(row): place for place, row in enumerate(rows)}
    places = place_of[id(comparison.first)], place_of[id(comparison.second)]
    return [_cell(comparison, *places, sign=1.0), _cell(comparison, *reversed(places), sign=-1.0)]


def _cell(comparison: Comparison, y: int, x: int, *, sign: float) -> Mapping[str, object]:
    difference, column = _difference(comparison), comparison.column
    bounds = [] if difference.interval is None else sorted(sign * bound / column.shown_in for bound in difference.interval)
    return {
        "y": y,
        "x": x,
        "text": PLAIN.signed(rounded(sign * difference.mean, column)),
        "colour": short(sign * _advantage(comparison)),
        "interval": " to ".join(PLAIN.signed(f"{bound:.4g}") for bound in bounds) or "equal on every seed",
        "p": p_value(difference.p),
        "holm": "" if comparison.adjusted_p is None else p_value(comparison.adjusted_p),
        "seeds": difference.n,
        "told": comparison.better is not None,
    }


def _difference(comparison: Comparison) -> PairedDifference:
    assert comparison.difference is not None, "comparisons without a difference are left out"
    return comparison.difference


def _advantage(comparison: Comparison) -> float:
    """Return by how many half widths of its interval the first row is better, MOST at most; negative where it is worse."""
    difference = _difference(comparison)
    better = difference.mean if comparison.column.higher_is_better else -difference.mean
    low, high = difference.interval or (0.0, 0.0)
    if high <= low:
        return math.copysign(MOST, better) if better else 0.0
    return max(-MOST, min(MOST, 2 * better / (high - low)))
