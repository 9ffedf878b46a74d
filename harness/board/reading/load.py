"""board.yaml → Board: everything is checked here, all faults at once, before any work starts."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.reading.bases import read_base
from harness.board.reading.columns import check_curve, read_column
from harness.board.reading.data_fit import spec_of
from harness.board.reading.find import board_file
from harness.board.reading.grid import all_cells, all_floors, check_seeds
from harness.board.reading.methods import check_repeats, read_method
from harness.board.reading.only import check_filters, entry_filters
from harness.board.reading.reader import BoardReader
from harness.board.reading.references import check_names
from harness.board.reading.samplers import with_named_bases
from harness.board.reading.yaml_file import read_yaml
from harness.board.schema import BoardConfig
from harness.components import Dataset
from harness.errors import UserError
from harness.plugins import Registry, registry


def load_board(path: Path, *, smoke: bool = False, plugins: Registry | None = None) -> Board:
    """Read and check a board. Raises: UserError or Faults: each with file, line, key and the nearest valid name."""
    reading = BoardReader(read_yaml(board_file(path)), plugins or registry(), is_smoke=smoke)
    return _board(reading, _schema(reading))


def _schema(reading: BoardReader) -> BoardConfig:
    value = reading.source.value
    if not isinstance(value, dict):
        raise UserError(f"{reading.source.path}:1: a board is a mapping of keys, see docs/boards.md")
    try:
        return BoardConfig.model_validate(value)
    except ValidationError as error:
        reading.faults.add_invalid(error, (), BoardConfig)
        check_names(reading, value)
        raise reading.faults.together() from None


def _board(reading: BoardReader, config: BoardConfig) -> Board:
    dataset = reading.resolve(Dataset, config.dataset, ("dataset",))
    spec = None if dataset is None else spec_of(dataset)
    read_columns = [read_column(reading, config, name, entry, spec) for name, entry in config.metrics.items()]
    found = [read_base(reading, config, name, entry, dataset) for name, entry in config.bases.items()]
    bases = [base for base in with_named_bases(reading, found) if base is not None]
    entries = [read_method(reading, config, name, entry) for name, entry in config.methods.items()]
    methods = [method for method in entries if method is not None]
    check_curve(reading, config)
    check_seeds(reading, config)
    check_repeats(reading, methods)
    reading.faults.stop()
    assert dataset is not None
    columns = tuple(column for column in read_columns if column is not None)
    every = tuple(all_cells(reading, config, bases, methods, columns))
    kept = _kept(reading, config, every)
    used = {cell.base.name for cell in kept}
    return Board(
        name=reading.source.path.resolve().parent.name,
        folder=reading.source.path.parent,
        config=config,
        dataset=dataset,
        bases=tuple(base for base in bases if base.name in used),
        cells=kept,
        columns=columns,
        floors=all_floors(reading, config, dataset, columns),
        is_smoke=reading.is_smoke,
    )


def _kept(reading: BoardReader, config: BoardConfig, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """The cells that the `only` of bases and methods leave. Raises: Faults for filters that name nothing, UserError if all go."""
    filters = entry_filters(reading, config)
    check_filters(reading, config, filters, cells)
    reading.faults.stop()
    kept = tuple(cell for cell in cells if all(entry.keeps(cell) for entry in filters))
    if not kept:
        raise UserError(f"{reading.source.path}: no cell is left: the `only` filters exclude everything")
    return kept
