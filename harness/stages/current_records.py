"""Current records of a runs folder: those under the keys that the board now gives its cells and floors. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.board.cells import Cell
from harness.board.columns import Column, Floor
from harness.board.ranges import value_fault
from harness.errors import UserError
from harness.stages.record import record_path
from harness.store.records import DamagedRecord, FloorRecord, Record, UnreadableRecord, load_floor, load_record, usable
from harness.store.runs_folder import RunsFolder


def current_record(cell: Cell, runs: RunsFolder) -> Record | None:
    """Return the record of the cell's current key; None when it is absent or damaged, which a warning then says.

    Raises: UserError for a record that cannot be read, or that a newer harness wrote.
    """
    return usable(record_path(cell, runs), lambda path: _cell_record(path, cell))


def current_floor(board: str, floor: Floor, runs: RunsFolder) -> FloorRecord | None:
    """Return the record of the floor's current key, as `current_record` does. board: name of the board."""
    return usable(runs.floor(board, floor.name, floor.key), lambda path: floor_record(path, floor))


def has_result(cell: Cell, runs: RunsFolder) -> bool:
    """Return whether the cell has a current record of a result. A damaged record is none, and no warning says so.

    Raises: UnreadableRecord.
    """
    try:
        return _cell_record(record_path(cell, runs), cell).status != "failed"
    except UnreadableRecord:
        raise
    except UserError:
        return False


def is_measured(board: str, floor: Floor, runs: RunsFolder) -> bool:
    """Return whether the floor has a current record, as `has_result` does. board: name of the board."""
    try:
        floor_record(runs.floor(board, floor.name, floor.key), floor)
    except UnreadableRecord:
        raise
    except UserError:
        return False
    return True


def _cell_record(path: Path, cell: Cell) -> Record:
    record = load_record(path)
    values = ((name, measured.values) for name, measured in record.metrics.items())
    check_is_of(path, cell.name, cell.key, name=record.cell, key=record.key)
    check_values(path, cell.columns, values)
    return record


def floor_record(path: Path, floor: Floor) -> FloorRecord:
    """Return the record of the floor in a file. Raises: UserError when it is absent, damaged, another's, or cannot be read."""
    record = load_floor(path)
    check_is_of(path, floor.column.name, floor.key, name=record.metric, key=record.key)
    check_values(path, [floor.column], [(floor.column.name, record.values)])
    return record


def check_is_of(path: Path, expected: str, expected_key: str, *, name: str, key: str) -> None:
    """Raises: DamagedRecord when the record in a file is not the one that the file's name promises."""
    if (name, key) != (expected, expected_key):
        raise DamagedRecord(f"{path}: damaged: holds the record of {name} under the key {key}, not of {expected}")


def check_values(path: Path, columns: Sequence[Column], values: Iterable[tuple[str, Sequence[float]]]) -> None:
    """Raises: DamagedRecord when a metric cannot have one of the values that the record in a file gives it.

    Args:
        values: some of each column's values, by the column's name.
    """
    metrics = {column.name: column.metric.component for column in columns}
    for name, measured in values:
        for value in measured:
            if name in metrics and (fault := value_fault(metrics[name], value)) is not None:
                raise DamagedRecord(f"{path}: damaged: {name} {fault}")
