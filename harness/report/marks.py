"""Marks of a table's figures, each by a test: what may be the best of a column, and what cannot be told from real data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.board.columns import Column
from harness.report.floors import FloorDraws
from harness.report.rows import Block, TableRow
from harness.report.scores import mean
from harness.statistics.best import maybe_best
from harness.statistics.floor import floor_p
from harness.statistics.student import LEVEL
from harness.store.record_names import floor_name


def marked_rows(rows: Sequence[TableRow], columns: Sequence[Column], floors: Mapping[str, FloorDraws]) -> list[TableRow]:
    """Return the rows with their marks in columns that rank. Rows compete with the rows of their block.

    Args:
        floors: the values of each floor by the floor's name.
    """
    columns = [column for column in columns if column.ranks]
    blocks = {row.block for row in rows}
    best = {(block, column.name): best_rows(rows, column, block) for block in blocks for column in columns}
    marked = []
    for index, row in enumerate(rows):
        maybe = frozenset(column.name for column in columns if index in best[row.block, column.name])
        at_floor = frozenset(column.name for column in columns if is_at_floor(row, column, floors))
        beyond_floor = frozenset(column.name for column in columns if is_beyond_floor(row, column, floors))
        marked.append(replace(row, maybe_best=maybe, at_floor=at_floor, beyond_floor=beyond_floor))
    return marked


def best_rows(rows: Sequence[TableRow], column: Column, block: Block) -> set[int]:
    """Return the places of the rows of a block that may be the best: no other row of the block is better by a test.

    Returns: an empty set while a row that may win lacks seeds, and where one seed is all that the rows have.
    """
    if any(row.block == block and row.may_yet_compete for row in rows):
        return set()
    competing = [
        index
        for index, row in enumerate(rows)
        # A row may have fewer seeds than the board; each of its own has a value.
        if row.block == block and row.competes and np.isfinite(row.values_of(column)).sum() == row.seeds
    ]
    if not competing or any(rows[index].seeds < 2 for index in competing):
        return set()
    values = np.stack([rows[index].values_of(column) for index in competing])
    kept = maybe_best(values, higher_is_better=column.higher_is_better)
    return {index for index, is_kept in zip(competing, kept, strict=True) if is_kept}


def floor_test(row: TableRow, column: Column, floors: Mapping[str, FloorDraws]) -> float | None:
    """Return the p of the test that the row's samples are real data.

    Returns: None while the row lacks seeds, and where the floor has no spread, or is not measured.
    """
    floor, score = floors.get(floor_name(column.name, row.size)), row.score(column)
    if floor is None or score is None or not row.is_whole:
        return None
    shared = shared_examples(row, floor)
    return floor_p(score.mean, score.n * column.draws, floor.values, shared=shared, is_one_sided=floor.is_one_sided)


def shared_examples(row: TableRow, floor: FloorDraws) -> float:
    """Return the share of held-out examples that draws share, as the tests take it.

    A row of data is measured as the floor is, between draws of the same held-out examples: which examples are held out moves
    neither from the other.
    """
    return 0.0 if row.is_data else floor.shared


def is_at_floor(row: TableRow, column: Column, floors: Mapping[str, FloorDraws]) -> bool:
    """Return whether the row cannot be told from real data."""
    p = floor_test(row, column, floors)
    return p is not None and p > LEVEL


def is_beyond_floor(row: TableRow, column: Column, floors: Mapping[str, FloorDraws]) -> bool:
    """Return whether the row is better than real data by the test."""
    p, score = floor_test(row, column, floors), row.score(column)
    if p is None or score is None or p > LEVEL:
        return False
    floor = mean(floors[floor_name(column.name, row.size)].values)
    return score.mean > floor if column.higher_is_better else score.mean < floor
