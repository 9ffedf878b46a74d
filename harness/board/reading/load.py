"""Load a board: everything in its file is checked, and all faults are raised at once, before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from harness.board.bases import Base
from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.columns import Column
from harness.board.components import Resolved
from harness.board.reading.bases import check_labels, read_base
from harness.board.reading.chosen_settings import with_chosen
from harness.board.reading.columns import check_curve, check_kept_samples, read_column
from harness.board.reading.component_entries import check_component_entries
from harness.board.reading.data_fit import spec_of
from harness.board.reading.evaluation_samplers import read_evaluation_samplers
from harness.board.reading.find import board_file
from harness.board.reading.findings import check_findings
from harness.board.reading.grid import all_cells, all_floors, check_seeds
from harness.board.reading.held_out import check_held_out
from harness.board.reading.method_grids import expanded
from harness.board.reading.methods import BoardMethod, check_control, check_repeats, read_method
from harness.board.reading.methods import check_labels as check_method_labels
from harness.board.reading.only import check_filters, entry_filters
from harness.board.reading.reader import BoardReader
from harness.board.reading.samplers import with_named_bases
from harness.board.reading.searches import check_searches
from harness.board.reading.yaml_file import read_yaml
from harness.board.schema import BoardConfig
from harness.components import Dataset
from harness.errors import Faults, UserError
from harness.plugins import Registry, registry

T = TypeVar("T")


def load_board(path: Path, *, smoke: bool = False, plugins: Registry | None = None) -> Board:
    """Read and check a board. Raises: UserError or Faults, which name file, line, key and the nearest valid name.

    Args:
        path: the board's folder or its file.
        smoke: whether to load the small version that `--smoke` runs.
        plugins: the components that the board may name; by default all that are installed.
    """
    reader = BoardReader(read_yaml(board_file(path)), plugins or registry(), is_smoke=smoke)
    written = check_schema(reader)
    check_searches(reader, written)
    config, chosen = with_chosen(reader, written)
    config, grids = expanded(reader, config)
    return replace(assembled(reader, config), grids=grids, chosen=chosen)


def assembled(reader: BoardReader, config: BoardConfig) -> Board:
    """Return the board of checked settings without grids. Raises: UserError or Faults, like `load_board`."""
    dataset = reader.resolve(Dataset, config.dataset, ("dataset",))
    columns = _read_columns(reader, config, dataset)
    bases = _read_bases(reader, config, dataset)
    methods = _read_methods(reader, config)
    samplers = read_evaluation_samplers(reader, config, bases)
    check_curve(reader, config)
    check_kept_samples(reader, config, columns)
    check_seeds(reader, config)
    reader.faults.raise_any()
    assert dataset is not None  # otherwise there is a fault
    cells = _kept(reader, config, tuple(all_cells(reader, config, bases, methods, columns, samplers)))
    check_method_labels(reader, cells)
    claim_lines = check_findings(reader, config, cells)
    floors = all_floors(reader, config, dataset, columns)
    check_held_out(reader, dataset, cells, floors)
    reader.faults.raise_any()
    used = {(cell.base.name, cell.base.key) for cell in cells}
    return Board(
        name=reader.source.path.resolve().parent.name,
        folder=reader.source.path.parent,
        config=config,
        dataset=dataset,
        bases=tuple(base for base in bases if (base.name, base.key) in used),
        cells=cells,
        columns=columns,
        floors=floors,
        is_smoke=reader.is_smoke,
        claim_lines=claim_lines,
        idle_settings=tuple(reader.remarks),
    )


def check_schema(reader: BoardReader) -> BoardConfig:
    """Return the settings of the file. Raises: Faults for what the schema does not allow, and for components that are unknown."""
    value = reader.source.value
    if not isinstance(value, dict):
        raise UserError(f"{reader.source.path}:1: a board is a mapping of keys, see docs/boards.md")
    try:
        return BoardConfig.model_validate(value)
    except ValidationError as error:
        reader.faults.add_invalid(error, (), BoardConfig, value)
        check_component_entries(reader, value)
        raise reader.faults.as_error() from None


def _read_columns(reader: BoardReader, config: BoardConfig, dataset: Resolved[Dataset] | None) -> tuple[Column, ...]:
    spec = None if dataset is None else spec_of(dataset)
    return _valid(read_column(reader, config, name, entry, spec) for name, entry in config.metrics.items())


def _read_bases(reader: BoardReader, config: BoardConfig, dataset: Resolved[Dataset] | None) -> Sequence[Base]:
    bases = [base for name, entry in config.bases.items() for base in read_base(reader, config, name, entry, dataset)]
    check_labels(reader, config)
    return with_named_bases(reader, bases, config.bases)


def _read_methods(reader: BoardReader, config: BoardConfig) -> Sequence[BoardMethod]:
    methods = _valid(read_method(reader, config, name, entry) for name, entry in config.methods.items())
    check_repeats(reader, methods)
    check_control(reader, config, methods)
    return methods


def _valid(parts: Iterable[T | None]) -> tuple[T, ...]:
    """Return the parts of the board that were read without a fault."""
    return tuple(part for part in parts if part is not None)


def _kept(reader: BoardReader, config: BoardConfig, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """Return the cells that the `only` of bases and methods leave.

    Raises: Faults for texts that are no filters, and for values that the board does not have, and when no cell is left.
    """
    filters = entry_filters(reader, config)
    check_filters(reader, config, filters, cells)
    reader.faults.raise_any()
    kept = tuple(cell for cell in cells if all(entry.keeps(cell) for entry in filters))
    if not kept:
        places = [reader.source.where(entry.location) for entry in filters]
        which = "this filter excludes" if len(filters) == 1 else "the `only` filters of the board together exclude"
        raise Faults([f"{place}: no cell is left: {which} everything" for place in places])
    return kept
