"""Quality against cost: each row's figures over what it cost, and which rows no other row beats in both."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.board.columns import Column
from harness.report.collect import Collection
from harness.report.costs import mean_costs
from harness.report.display import column_head
from harness.report.outcome import Outcome
from harness.report.rows import TableRow
from harness.report.scores import mean
from harness.report.table import Table
from harness.site.charts import Chart, ChartGroup, short
from harness.site.figures import PLAIN
from harness.store.record_names import row_name

COSTS: dict[str, Callable[[Sequence[Outcome]], float]] = {
    "network evaluations in training": lambda done: mean_costs(done).network_evaluations,
    "seconds of fine-tuning": lambda done: mean_costs(done).seconds_finetune,
    "images seen in fine-tuning": lambda done: mean([outcome.images_seen for outcome in done]),
    "network evaluations for a sample (NFE)": lambda done: mean([outcome.nfe for outcome in done]),
    "seconds of sampling": lambda done: mean_costs(done).seconds_sample,
}
"""What a cell costs, a mean over the seeds that are done; without what its base cost."""
CAPTION = (
    "Means over the seeds that are done; a row with fewer than the board has says so. No other row beats those on the line: none "
    "is as good at less cost, or better at no more cost. What a base cost is in none of them."
)


def pareto_charts(table: Table, collection: Collection) -> ChartGroup | None:
    """Return the chart; None for a board without models, and when nothing that ranks is done."""
    columns = table.ranking_columns
    rows = [(row, done) for row, done in _done(table, collection) if all(row.score(column) for column in columns)]
    if not (table.has_models and columns and rows):
        return None
    costs = [[cost(done) for cost in COSTS.values()] for _, done in rows]
    values = [[_value(row, column) for column in columns] for row, _ in rows]
    data = {
        "costs": list(COSTS),
        "metrics": [column_head(column, "mean", PLAIN) for column in columns],
        "floors": [_floor(table, column, rows[0][0].size) for column in columns],
        "points": [
            {
                "label": _label(row, len(done), len(table.board.seeds)),
                "base": row.base_label,
                "costs": [short(cost) for cost in costs[index]],
                "values": [short(value) for value in values[index]],
            }
            for index, (row, done) in enumerate(rows)
        ],
        "fronts": [
            [
                front(
                    [of_row[cost] for of_row in costs],
                    [of_row[place] for of_row in values],
                    higher_is_better=column.higher_is_better,
                )
                for place, column in enumerate(columns)
            ]
            for cost in range(len(COSTS))
        ],
    }
    return ChartGroup("pareto", "Quality against cost", CAPTION, (Chart("pareto", "pareto", "Quality against cost", data),))


def front(costs: Sequence[float], values: Sequence[float], *, higher_is_better: bool) -> list[int]:
    """Return the places of the points that no other point beats: as good at less cost, or better at no more cost."""
    sign = -1.0 if higher_is_better else 1.0
    order = sorted(range(len(costs)), key=lambda place: (costs[place], sign * values[place]))
    kept: list[int] = []
    best = float("inf")
    for place in order:
        value = sign * values[place]
        is_tie = bool(kept) and (costs[place], value) == (costs[kept[-1]], best)
        if value < best or is_tie:
            kept.append(place)
            best = value
    return kept


def _done(table: Table, collection: Collection) -> list[tuple[TableRow, list[Outcome]]]:
    """Return the rows of models that have done seeds, at the largest number of samples."""
    largest = max(floor.samples for floor in table.board.floors)
    sizes = {floor.size for floor in table.board.floors if floor.samples == largest}
    done = {row.name: collection.done(cells) for row, cells in collection.rows}
    pairs = [
        (row, done[row_name(row.base, row.method, row.size, row.sampler)])
        for row in table.rows
        if row.size in sizes and not row.is_data
    ]
    return [(row, outcomes) for row, outcomes in pairs if outcomes]


def _value(row: TableRow, column: Column) -> float:
    score = row.score(column)
    assert score is not None, "rows without scores are left out"
    return score.mean / column.shown_in


def _floor(table: Table, column: Column, size: int | None) -> float | None:
    floor = table.floor(column, size)
    return None if floor is None else short(floor.mean / column.shown_in)


def _label(row: TableRow, done: int, seeds: int) -> str:
    label = row.method_label if row.sampler_label is None else f"{row.method_label}, {row.sampler_label}"
    return label if done == seeds else f"{label} ({done} of {seeds} seeds)"
