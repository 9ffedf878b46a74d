"""Rows of a board's table: means and standard deviations over seeds, and how the other cells ended."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.board.cells import Cell, Row
from harness.board.columns import Column
from harness.board.schema import Statistic
from harness.report.collect import Collection
from harness.report.costs import training_cost
from harness.report.outcome import Outcome
from harness.report.scores import Score, mean, score_of
from harness.statistics.student import Floats

SKIPPED = "skipped: "
"""What the note of a row begins with whose cells cannot run."""
Block = tuple[int | None, str | None]
"""The number of samples and the sampler of rows that may be compared; None where the board has one for all."""


@dataclass(frozen=True)
class TableRow:
    """One base × method in numbers.

    Args:
        scores, minima: the score of each metric over the seeds that are done, by the metric's name. A seed's value is the mean
            over its evaluation draws in `scores`, and their minimum in `minima`.
        seeds, done: numbers of cells of the row, and of those that ended well.
        nfe, images_seen, seconds: means over the seeds that are done; None when no seed is done.
        parameters: number of trainable scalars, of the first seed that is done; None when no seed is done.
        notes: how the other cells ended: `diverged 2/5`, `failed 1/5`, `stale 1/5`, `not run 1/5`, `skipped: reason`.
        maybe_best: names of the metrics in which no row is better by a test; empty while a row that may be better lacks seeds.
        at_floor, beyond_floor: names of the metrics in which the row cannot be told from real data, and of those in which it is
            better than real data, by a test; empty while the row lacks seeds.
        lacking: number of cells that still have no outcome: those not run, stale, or failed, which may run again.
        size: number of samples, on a board with several; else None.
        sampler: name of the sampler, on a board with several; else None. sampler_label: its name in tables.
        is_data: whether data stand in the place of a model; such rows do not compete.
        trains: whether the method changes the base's weights.
        cost: forward passes of one example in training, as `training_cost` counts them, a mean over the seeds that are done; None
            where a record does not say.
        values: each metric's value of each seed of the board, by the metric's name; None for a seed that is not done, and for one
            that the row does not have. So the same place is the same seed in all rows.
        within: the standard deviation of a seed's draws, over all done seeds, by the metric's name; only of metrics that have
            several draws.
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
    maybe_best: frozenset[str] = frozenset()
    at_floor: frozenset[str] = frozenset()
    beyond_floor: frozenset[str] = frozenset()
    minima: Mapping[str, Score] = field(default_factory=dict)
    lacking: int = 0
    size: int | None = None
    is_data: bool = False
    sampler: str | None = None
    sampler_label: str | None = None
    trains: bool = False
    cost: float | None = None
    values: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    within: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """True when all seeds are done."""
        return self.done == self.seeds

    @property
    def is_skipped(self) -> bool:
        """True for a row whose cells cannot run, as its only note says."""
        return any(note.startswith(SKIPPED) for note in self.notes)

    @property
    def block(self) -> Block:
        """The number of samples and the sampler, which rows must share to be compared."""
        return self.size, self.sampler

    @property
    def competes(self) -> bool:
        """True for a row that may be the best. A row with a seed that is not done may not: its mean may flatter."""
        return self.is_whole and not self.is_data

    @property
    def may_yet_compete(self) -> bool:
        """True for a row that will compete if the seeds that it lacks end well."""
        return self.lacking > 0 and self.done + self.lacking == self.seeds and not self.is_data

    def score(self, column: Column, statistic: Statistic = "mean") -> Score | None:
        """Return a column's score over seeds; None when no seed is done."""
        return (self.scores if statistic == "mean" else self.minima).get(column.name)

    def values_of(self, column: Column) -> Floats:
        """Return the column's value of each seed of the board, (seeds of the board,); NaN where the row has none."""
        return np.array(self.values.get(column.name, (None,) * self.seeds), dtype=np.float64)


def table_rows(collection: Collection) -> list[TableRow]:
    """Return a row for each base × method, in the order of the board. `marked_rows` adds the marks."""
    return [_table_row(row, cells, collection) for row, cells in collection.rows]


def _table_row(row: Row, cells: list[Cell], collection: Collection) -> TableRow:
    outcomes, done = collection.outcomes(cells), collection.done(cells)
    return TableRow(
        base=row.base.name,
        method=row.method_name,
        base_label=row.base.label,
        method_label=row.method_label,
        scores=_scores(row, [outcome.means for outcome in done]),
        minima=_scores(row, [outcome.minima for outcome in done]),
        seeds=len(cells),
        done=len(done),
        nfe=_mean([outcome.nfe for outcome in done]),
        parameters=done[0].parameters if done else None,
        images_seen=_mean([outcome.images_seen for outcome in done]),
        seconds=_mean([outcome.seconds_finetune for outcome in done]),
        notes=_notes(row, cells, outcomes, collection.stale_cells),
        lacking=_lacking(row, len(cells), outcomes),
        size=row.size,
        is_data=not row.base.has_network,
        sampler=row.sampler_name,
        sampler_label=None if row.sampled_with is None else row.sampled_with.label,
        trains=row.trains,
        cost=_cost(done) if row.trains else None,
        values=_values_of_seeds(row, cells, collection),
        within=_within(row, done),
    )


def _lacking(row: Row, seeds: int, outcomes: Sequence[Outcome]) -> int:
    """Return the number of cells that have no outcome yet. A skipped row lacks none: its cells cannot run."""
    if row.skip_reason is not None:
        return 0
    return seeds - sum(outcome.status != "failed" for outcome in outcomes)


def _scores(row: Row, values_of_seeds: Sequence[Mapping[str, float]]) -> dict[str, Score]:
    by_metric = {column.name: [seed[column.name] for seed in values_of_seeds if column.name in seed] for column in row.columns}
    return {metric: score_of(values) for metric, values in by_metric.items() if values}


def _cost(done: Sequence[Outcome]) -> float | None:
    costs = [training_cost(outcome) for outcome in done]
    known = [cost for cost in costs if cost is not None]
    return mean(known) if known and len(known) == len(costs) else None


def _values_of_seeds(row: Row, cells: Sequence[Cell], collection: Collection) -> dict[str, tuple[float | None, ...]]:
    outcomes = {cell.seed: collection.records.get(cell.name) for cell in cells}
    done = {seed: outcome.means for seed, outcome in outcomes.items() if outcome is not None and outcome.status == "done"}
    means = [done.get(seed, {}) for seed in collection.board.seeds]
    return {column.name: tuple([of_seed.get(column.name) for of_seed in means]) for column in row.columns}


def _within(row: Row, done: Sequence[Outcome]) -> dict[str, float]:
    """Return the square root of the mean variance of a seed's draws, for each metric."""
    variances = {
        column.name: [seed.variances[column.name] for seed in done if column.name in seed.variances] for column in row.columns
    }
    return {metric: math.sqrt(mean(values)) for metric, values in variances.items() if values}


def _mean(values: Sequence[float]) -> float | None:
    return mean(values) if values else None


def _notes(row: Row, cells: Sequence[Cell], outcomes: Sequence[Outcome], stale_cells: frozenset[str]) -> tuple[str, ...]:
    if row.skip_reason is not None:
        return (f"{SKIPPED}{row.skip_reason}",)
    seeds = len(cells)
    counts = Counter[str](outcome.status for outcome in outcomes)
    counts["stale"] = sum(cell.name in stale_cells for cell in cells)
    notes = [f"{status} {counts[status]}/{seeds}" for status in ("diverged", "failed", "skipped", "stale") if counts[status]]
    if not_run := seeds - len(outcomes) - counts["stale"]:
        notes.append(f"not run {not_run}/{seeds}" if not_run < seeds else "not run")
    return tuple(notes)
