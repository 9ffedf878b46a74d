"""Cells and floors of a board: bases × methods × seeds, at each number of samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from harness.board.bases import Base
from harness.board.cells import Cell, Row
from harness.board.columns import Column, Floor
from harness.board.components import Resolved
from harness.board.reading import smoke
from harness.board.reading.methods import BoardMethod
from harness.board.reading.reader import BoardReader
from harness.board.reading.skips import skip_reason
from harness.board.schema import BoardConfig, EvaluationConfig
from harness.components import Dataset


def all_cells(
    reader: BoardReader,
    board: BoardConfig,
    bases: Sequence[Base],
    methods: Sequence[BoardMethod],
    columns: tuple[Column, ...],
) -> Iterator[Cell]:
    """Yield all cells in the order of the board, skipped ones included."""
    seeds = board.seeds[: board.smoke.seeds] if reader.is_smoke else board.seeds
    curve = smoke.curve(board, board.curve) if board.curve is not None and reader.is_smoke else board.curve
    by_name: dict[str, list[Base]] = {}
    for base in bases:
        by_name.setdefault(base.name, []).append(base)
    for evaluation, group, method in product(reader.evaluations(board), by_name.values(), methods):
        # The cells of a row share their digests; where the base has several seeds, those that start from the same one do.
        rows = [
            Row(
                board=reader.source.path.resolve().parent.name,
                protocol=board.protocol,
                base=base,
                method_name=method.name,
                method_label=method.label,
                method=method.method,
                training=method.training,
                evaluation=evaluation,
                columns=columns,
                curve=curve,
                is_smoke=reader.is_smoke,
                skip_reason=skip_reason(base, method.method, method.training),
                size=_size(board, evaluation),
            )
            for base in group
        ]
        yield from (Cell(rows[index % len(rows)], seed) for index, seed in enumerate(seeds))


def all_floors(
    reader: BoardReader, board: BoardConfig, dataset: Resolved[Dataset], columns: tuple[Column, ...]
) -> tuple[Floor, ...]:
    """Return a floor for each number of samples and each column."""
    return tuple(
        Floor(dataset, column, evaluation.samples, columns, _size(board, evaluation))
        for evaluation, column in product(reader.evaluations(board), columns)
    )


def check_seeds(reader: BoardReader, board: BoardConfig) -> None:
    """Add a fault for each seed that stands in the list a second time."""
    for index, seed in enumerate(board.seeds):
        if seed in board.seeds[:index]:
            reader.add_fault(("seeds", index), f"seed {seed} is given twice: its cells would be duplicates")


def _size(board: BoardConfig, evaluation: EvaluationConfig) -> int | None:
    """Return the number of samples where the board has several; else None."""
    return evaluation.samples if board.evaluation.sizes else None
