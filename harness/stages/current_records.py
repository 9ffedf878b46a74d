"""Current records of a runs folder: those under the keys that the board now gives its cells and floors. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.board.cells import Cell
from harness.board.columns import Column, Floor
from harness.board.ranges import value_fault
from harness.errors import UserError
from harness.stages.record import record_path
from harness.store.records import (
    DamagedRecord,
    FloorRecord,
    Record,
    UnreadableRecord,
    load_floor,
    load_record,
    usable,
)
from harness.store.runs_folder import RunsFolder


def current_record(cell: Cell, runs: RunsFolder) -> Record | None:
    """Return the record of the cell's current key; None when it is absent or damaged, which a warning then says.

    Raises: UserError for a record that cannot be read, or that a newer harness wrote.
    """
    return usable(record_path(cell, runs), lambda path: cell_record(path, cell))


def current_floor(board: str, floor: Floor, runs: RunsFolder) -> FloorRecord | None:
    """Return the record of the floor's current key, as `current_record` does. board: name of the board."""
    return usable(runs.floor(board, floor.name, floor.key), lambda path: floor_record(path, floor))


def has_result(cell: Cell, runs: RunsFolder) -> bool:
    """Return whether the cell has a current record of a result. A damaged record is none, and no warning says so.

    Raises: UnreadableRecord.
    """
    try:
        return cell_record(record_path(cell, runs), cell).status != "failed"
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


def cell_record(path: Path, cell: Cell) -> Record:
    """Return the record of the cell in a file. Raises: UserError when it is absent, damaged, another's, or cannot be read."""
    record = load_record(path)
    check_is_of(path, cell.name, cell.key, name=record.cell, key=record.key)
    if record.status == "done":
        check_draws(path, cell.columns, {name: draws_of(each.values, each.also) for name, each in record.metrics.items()})
    check_values(path, cell.columns, ((name, measured.values) for name, measured in record.metrics.items()))
    return record


def floor_record(path: Path, floor: Floor) -> FloorRecord:
    """Return the record of the floor in a file. Raises: UserError when it is absent, damaged, another's, or cannot be read."""
    record = load_floor(path)
    check_floor(path, floor, record)
    return record


def check_floor(path: Path, floor: Floor, record: FloorRecord) -> None:
    """Raises: DamagedRecord when the record in a file is not that of the floor, or has values that the floor cannot have."""
    name, pairs = floor.column.name, len(record.values)
    check_is_of(path, name, floor.key, name=record.metric, key=record.key)
    if pairs != floor.pairs and (pairs or not floor.column.may_lack_a_floor):
        raise DamagedRecord(f"{path}: damaged: {name} has {_against(pairs, floor.pairs, 'pair')}")
    check_values(path, [floor.column], [(name, record.values)])


def check_is_of(path: Path, expected: str, expected_key: str, *, name: str, key: str) -> None:
    """Raises: DamagedRecord when the record in a file is not the one that the file's name promises."""
    if (name, key) != (expected, expected_key):
        raise DamagedRecord(f"{path}: damaged: holds the record of {name} under the key {key}, not of {expected}")


def draws_of(values: Sequence[float], also: Mapping[str, Sequence[float]]) -> tuple[int, ...]:
    """Return how many draws a metric was measured on, and then each further value that the metric gives beside its own."""
    return (len(values), *map(len, also.values()))


def check_draws(path: Path, columns: Sequence[Column], draws: Mapping[str, Sequence[int]]) -> None:
    """Check the numbers of draws of a done cell; a cell that is not done may have measured less.

    Args:
        draws: what `draws_of` returns, by the column's name.
    Raises: DamagedRecord when the record in a file lacks a column, or measured it on more or fewer draws than the board does.
    """
    for column in columns:
        for count in draws.get(column.name, (0,)):
            if count != column.draws:
                raise DamagedRecord(f"{path}: damaged: {column.name} has {_against(count, column.draws, 'draw')}")


def _against(count: int, expected: int, what: str) -> str:
    """Return that a record has another number of values than the board: `3 draws, the board measures 4`."""
    if count == 0:
        return f"no values, the board measures {expected} {what}{'s' if expected > 1 else ''}"
    return f"{count} {what}{'s' if count > 1 else ''}, the board measures {expected}"


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
