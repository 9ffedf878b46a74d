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
    reading: BoardReader,
    config: BoardConfig,
    bases: Sequence[Base],
    methods: Sequence[BoardMethod],
    columns: tuple[Column, ...],
) -> Iterator[Cell]:
    """All cells in the order of the board, those that are skipped included."""
    seeds = config.seeds[: config.smoke.seeds] if reading.is_smoke else config.seeds
    curve = config.curve if config.curve is None or not reading.is_smoke else smoke.curve(config, config.curve)
    for evaluation, base, method in product(reading.evaluations(config), bases, methods):
        row = Row(
            board=reading.source.path.resolve().parent.name,
            protocol=config.protocol,
            base=base,
            method_name=method.name,
            method_label=method.label,
            method=method.method,
            training=method.training,
            evaluation=evaluation,
            columns=columns,
            curve=curve,
            is_smoke=reading.is_smoke,
            skip_reason=skip_reason(base, method.method, method.training),
            size=_size(config, evaluation),
        )
        yield from (Cell(row, seed) for seed in seeds)


def all_floors(
    reading: BoardReader, config: BoardConfig, dataset: Resolved[Dataset], columns: tuple[Column, ...]
) -> tuple[Floor, ...]:
    """One for each number of samples and column."""
    return tuple(
        Floor(dataset, column, evaluation.samples, columns, _size(config, evaluation))
        for evaluation, column in product(reading.evaluations(config), columns)
    )


def check_seeds(reading: BoardReader, config: BoardConfig) -> None:
    """A fault for each seed that was there before."""
    seen: set[int] = set()
    for index, seed in enumerate(config.seeds):
        if seed in seen:
            reading.fault(("seeds", index), f"seed {seed} is given twice: its cells would be duplicates")
        seen.add(seed)


def _size(config: BoardConfig, evaluation: EvaluationConfig) -> int | None:
    return evaluation.samples if config.evaluation.sizes else None
