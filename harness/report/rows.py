"""From records to rows: means and standard deviations over seeds, and what became of the cells."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.board.cells import Cell, Row
from harness.board.columns import Column
from harness.board.schema import Statistic
from harness.report.collect import Collection
from harness.report.outcome import Outcome, mean
from harness.store.record_names import floor_name


@dataclass(frozen=True)
class Score:
    """Mean over `n` values, and their sample standard deviation (n - 1); None for one value."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class TableRow:
    """One base × method.

    Args:
        scores, minima: by metric, over the seeds that are done; each seed's value is the mean over its evaluation draws, or
            their minimum.
        seeds, done: cells of the row, and those that ended well.
        nfe, parameters, images_seen, seconds: means over the seeds that are done, None when there is none.
        notes: what became of the others: `diverged 2/5`, `failed 1/5`, `not run 2/5`, `skipped: reason`.
        is_best: metrics in which no complete row has a better mean.
        at_floor: metrics in which the row cannot be told from real data.
        size: number of samples, where the board has rows of several.
        is_data: whether data stand in the place of a model; such rows do not compete.
    """

    base: str
    method: str
    base_label: str
    method_label: str
    scores: Mapping[str, Score]
    seeds: int
    done: int
    nfe: float | None
    parameters: int | None
    images_seen: float | None
    seconds: float | None
    notes: tuple[str, ...]
    is_best: frozenset[str] = frozenset()
    at_floor: frozenset[str] = frozenset()
    minima: Mapping[str, Score] = field(default_factory=dict)
    size: int | None = None
    is_data: bool = False

    def score(self, metric: Column, statistic: Statistic = "mean") -> Score | None:
        """Over seeds; None when no seed is done."""
        return (self.scores if statistic == "mean" else self.minima).get(metric.name)


def score(values: Sequence[float]) -> Score:
    """Mean and sample standard deviation of at least one value."""
    average = mean(values)
    if len(values) < 2:
        return Score(average, None, len(values))
    square = math.fsum([(value - average) ** 2 for value in values]) / (len(values) - 1)
    return Score(average, math.sqrt(square), len(values))


def floor_scores(collection: Collection) -> dict[str, Score]:
    """Real against real, by the floor's name, over pairs of draws."""
    return {name: score(floor.values) for name, floor in collection.floors.items() if floor.values}


def floor_minima(collection: Collection) -> dict[str, Score]:
    """The minimum of as many pairs as a cell has draws, by the floor's name: what the minimum of a perfect model would be."""
    found: dict[str, Score] = {}
    for floor in collection.board.floors:
        values = collection.floors[floor.name].values if floor.name in collection.floors else []
        draws = floor.column.draws
        least = [min(values[start : start + draws]) for start in range(0, len(values) - draws + 1, draws)]
        if least:
            found[floor.name] = score(least)
    return found


def table_rows(collection: Collection) -> list[TableRow]:
    """A row for each base × method, in the order of the board."""
    plain = [_row(row, cells, collection.records) for row, cells in collection.rows]
    floors = floor_scores(collection)
    metrics = collection.board.columns
    best = {
        size: {metric.name: best_mean([row for row in plain if row.size == size], metric) for metric in metrics}
        for size in {row.size for row in plain}
    }
    return [_marked(row, metrics, best[row.size], floors) for row in plain]


def _row(row: Row, cells: Sequence[Cell], records: Mapping[str, Outcome]) -> TableRow:
    found = [records[cell.name] for cell in cells if cell.name in records]
    done = [record for record in found if record.status == "done"]
    return TableRow(
        base=row.base.name,
        method=row.method_name,
        base_label=row.base.label,
        method_label=row.method_label,
        scores=_scores(row, [record.means for record in done]),
        minima=_scores(row, [record.minima for record in done]),
        seeds=len(cells),
        done=len(done),
        nfe=_mean([record.nfe for record in done]),
        parameters=done[0].parameters if done else None,
        images_seen=_mean([record.images_seen for record in done]),
        seconds=_mean([record.seconds_finetune for record in done]),
        notes=_notes(row, len(cells), found),
        size=row.size,
        is_data=not row.base.has_network,
    )


def _scores(row: Row, values: Sequence[Mapping[str, float]]) -> dict[str, Score]:
    """Over cells, by metric."""
    by_metric = {metric.name: [one[metric.name] for one in values if metric.name in one] for metric in row.columns}
    return {name: score(seeds) for name, seeds in by_metric.items() if seeds}


def _mean(values: Sequence[float]) -> float | None:
    return mean(values) if values else None


def _notes(row: Row, seeds: int, found: Sequence[Outcome]) -> tuple[str, ...]:
    if row.skip_reason is not None:
        return (f"skipped: {row.skip_reason}",)
    counts = Counter(record.status for record in found)
    notes = [f"{status} {counts[status]}/{seeds}" for status in ("diverged", "failed", "skipped") if counts[status]]
    if len(found) < seeds:
        notes.append("not run" if not found else f"not run {seeds - len(found)}/{seeds}")
    return tuple(notes)


def best_mean(rows: Iterable[TableRow], metric: Column) -> float | None:
    """The best mean of rows whose seeds are all done: a mean over the seeds that survived would flatter."""
    rows = [row for row in rows if row.done == row.seeds and not row.is_data]
    means = [row.scores[metric.name].mean for row in rows if metric.name in row.scores]
    if not means:
        return None
    return max(means) if metric.higher_is_better else min(means)


def is_at_floor(mean: float, floor: Score, metric: Column) -> bool:
    """Whether the mean is within two standard deviations of real against real, or on the better side of it."""
    slack = 2 * (floor.sd or 0.0)
    return mean >= floor.mean - slack if metric.higher_is_better else mean <= floor.mean + slack


def _marked(
    row: TableRow,
    metrics: Iterable[Column],
    best: Mapping[str, float | None],
    floors: Mapping[str, Score],
) -> TableRow:
    complete = row.done == row.seeds and not row.is_data
    scored = [metric for metric in metrics if metric.name in row.scores]
    return replace(
        row,
        is_best=frozenset(m.name for m in scored if complete and row.scores[m.name].mean == best[m.name]),
        at_floor=frozenset(
            m.name
            for m in scored
            if (floor := floors.get(floor_name(m.name, row.size))) and is_at_floor(row.scores[m.name].mean, floor, m)
        ),
    )
