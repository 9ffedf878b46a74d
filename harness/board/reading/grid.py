"""Cells and floors of a board: bases × methods × seeds, at each number of samples and with each sampler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

from harness.board.bases import Base
from harness.board.cells import Cell, Row
from harness.board.columns import Column, Floor
from harness.board.components import Resolved
from harness.board.reading import smoke
from harness.board.reading.methods import BoardMethod
from harness.board.reading.reader import BoardReader
from harness.board.reading.skips import skip_reason
from harness.board.samplers import EvaluationSampler
from harness.board.schema import BoardConfig, EvaluationConfig
from harness.components import Dataset


def all_cells(
    reader: BoardReader,
    board: BoardConfig,
    bases: Sequence[Base],
    methods: Sequence[BoardMethod],
    columns: tuple[Column, ...],
    samplers: Sequence[EvaluationSampler] = (),
) -> Iterator[Cell]:
    """Yield all cells in the order of the board, skipped ones included.

    Samplers change slowest, after sizes: the trainings of the first sampler's cells are then done when those of the next one ask
    for them.

    Args:
        samplers: those of the evaluation; none where the base's sampler draws what is measured.
    """
    seeds = board.seeds[: board.smoke.seeds] if reader.is_smoke else board.seeds
    by_name: dict[str, list[Base]] = {}
    for base in bases:
        by_name.setdefault(base.name, []).append(base)
    for evaluation, sampler, group, method in product(reader.evaluations(board), samplers or (None,), by_name.values(), methods):
        if not group[0].has_network and samplers and sampler is not samplers[0]:
            continue  # data are measured once, whatever draws from the models
        # The cells of a row share their digests; where the base has several seeds, those that start from the same one do.
        rows = []
        for index, base in enumerate(group):
            sampled_with = sampler.paired(index) if sampler is not None and base.has_network else None
            row = _row(reader, board, base, method, evaluation, columns, sampled_with)
            rows.append(replace(row, skip_reason=row.skip_reason or _pairing_reason(base, sampled_with, by_name)))
        yield from (Cell(rows[index % len(rows)], seed) for index, seed in enumerate(seeds))


def _row(
    reader: BoardReader,
    board: BoardConfig,
    base: Base,
    method: BoardMethod,
    evaluation: EvaluationConfig,
    columns: tuple[Column, ...],
    sampled_with: EvaluationSampler | None,
) -> Row:
    """Return the row of a base and a method. sampled_with: see `Row`."""
    return Row(
        board=reader.source.path.resolve().parent.name,
        protocol=board.protocol,
        base=base,
        method_name=method.name,
        method_label=method.label,
        method=method.method,
        training=method.training,
        evaluation=evaluation,
        columns=columns,
        curve=smoke.curve(board, board.curve) if board.curve is not None and reader.is_smoke else board.curve,
        is_smoke=reader.is_smoke,
        skip_reason=skip_reason(base, method.method, method.training, sampled_with),
        size=_size(board, evaluation),
        sampled_with=sampled_with,
    )


def _pairing_reason(base: Base, sampled_with: EvaluationSampler | None, by_name: Mapping[str, Sequence[Base]]) -> str | None:
    """Return why the sampler's bases cannot be paired with the seeds of a base; None when they can."""
    own = len(by_name[base.name])
    for guide in () if sampled_with is None else sampled_with.sampler.bases:
        if (count := len(by_name[guide.name])) not in (1, own):
            return f"the base {guide.name!r} has {count} seeds, and {base.name!r} has {own}"
    return None


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
