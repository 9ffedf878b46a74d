"""The records of a board: which are current, which are stale, and which are missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.board.board import Board
from harness.board.cells import Cell, Row
from harness.errors import noted
from harness.report.outcome import Outcome
from harness.report.outcome_files import load_outcomes, load_whole_outcomes
from harness.stages.current_records import check_draws, check_floor, check_is_of, check_values, floor_record
from harness.store.board_folder import BoardFolder
from harness.store.files import Damage, reading
from harness.store.record_names import RecordName
from harness.store.records import FloorRecord, load_floor
from harness.store.runs_folder import RunsFolder, record_file_stem


@dataclass(frozen=True)
class Collection:
    """A board's records. A record is current when its key is the one that the board now gives to its cell or floor.

    Args:
        records: current records by the cell's name.
        floors: current records of floors by the floor's name.
        stale: names of records whose files are there and hold something else than the current record.
        strange: what the files of some of them hold: a smoke record, or the record of another. The others were made by older
            settings or plugin versions.
    """

    board: Board
    records: Mapping[str, Outcome]
    floors: Mapping[str, FloorRecord]
    stale: tuple[RecordName, ...]
    strange: Mapping[RecordName, str] = field(default_factory=dict)

    @cached_property
    def rows(self) -> list[tuple[Row, list[Cell]]]:
        """The board's rows, each with its cells, in the order of the board."""
        rows: dict[str, tuple[Row, list[Cell]]] = {}
        for cell in self.board.cells:
            rows.setdefault(cell.row.name, (cell.row, []))[1].append(cell)
        return list(rows.values())

    @cached_property
    def trainings(self) -> list[tuple[Row, list[Cell]]]:
        """The rows without those that share a training with another one: of several samplers' rows, the one with most results."""
        trainings: dict[tuple[str, str, int | None], tuple[Row, list[Cell]]] = {}
        for row, cells in self.rows:
            names = row.base.name, row.method_name, row.size
            if names not in trainings or len(self.done(cells)) > len(self.done(trainings[names][1])):
                trainings[names] = row, cells
        return list(trainings.values())

    @cached_property
    def missing(self) -> list[Cell]:
        """Cells that could run and have no current record."""
        return [cell for cell in self.board.cells if cell.name not in self.records and cell.skip_reason is None]

    @cached_property
    def missing_floors(self) -> list[str]:
        """Names of floors that have no current record."""
        return [floor.name for floor in self.board.floors if floor.name not in self.floors]

    @cached_property
    def stale_cells(self) -> frozenset[str]:
        """Names of cells whose record is stale."""
        return frozenset(record.name for record in self.stale if record.kind == "cell")

    @cached_property
    def stale_floors(self) -> frozenset[str]:
        """Names of floors whose record is stale."""
        return frozenset(record.name for record in self.stale if record.kind == "floor")

    def find(self, name: RecordName) -> Outcome | FloorRecord | None:
        """Return the current record of this name; None when there is none."""
        return self.records.get(name.name) if name.kind == "cell" else self.floors.get(name.name)

    def outcomes(self, cells: list[Cell]) -> list[Outcome]:
        """Return the current records of these cells, as far as there are any."""
        return [self.records[cell.name] for cell in cells if cell.name in self.records]

    def done(self, cells: list[Cell]) -> list[Outcome]:
        """Return the current records of those cells that are done."""
        return [record for record in self.outcomes(cells) if record.status == "done"]


def collect_published(board: Board, *, faults: list[str] | None = None) -> Collection:
    """Read the records that `harness publish` put into the board's folder.

    Args:
        faults: where it is given, a damaged record counts as absent, and a line about it is added here.
    Raises: UserError for a damaged record, without `faults`.
    """
    records, stale_cells = _published_cells(board, faults)
    floors, stale_floors = _published_floors(board, faults)
    stale = {**stale_cells, **stale_floors}
    strange = {name: what for name, what in stale.items() if what is not None}
    return Collection(board, records, floors, tuple(stale), strange)


def _published_cells(board: Board, faults: list[str] | None) -> tuple[dict[str, Outcome], dict[RecordName, str | None]]:
    """Return the current records by the cell's name, and what the files of stale ones hold that is no older record."""
    results = BoardFolder(board.folder).results
    files = _file_names(results)
    named = [(cell, RecordName("cell", cell.name).file_name) for cell in board.cells]
    published = [(cell, file) for cell, file in named if file in files]
    current: dict[str, Outcome] = {}
    stale: dict[RecordName, str | None] = {}
    names = [file for _, file in published]
    outcomes = load_outcomes(results, names) if faults is None else load_whole_outcomes(results, names, faults)
    for (cell, file), record in zip(published, outcomes, strict=True):
        with _noting(faults):
            if record is None:
                continue
            if is_current(record, cell.key, board):
                _check_outcome(results / file, cell, record)
                current[cell.name] = record
            else:
                name = RecordName("cell", cell.name)
                stale[name] = _strange(name, RecordName("cell", record.cell), record)
    return current, stale


def _published_floors(board: Board, faults: list[str] | None) -> tuple[dict[str, FloorRecord], dict[RecordName, str | None]]:
    """Return the current records by the floor's name, and what the files of stale ones hold that is no older record."""
    current: dict[str, FloorRecord] = {}
    stale: dict[RecordName, str | None] = {}
    for floor in board.floors:
        name = RecordName("floor", floor.name)
        path = BoardFolder(board.folder).record(name)
        if not path.is_file():
            continue
        with _noting(faults):
            record = load_floor(path)
            if is_current(record, floor.key, board):
                check_floor(path, floor, record)
                current[floor.name] = record
            else:
                # A record does not hold the size of its floor.
                held = name if record.metric == floor.column.name else RecordName("floor", record.metric)
                stale[name] = _strange(name, held, record)
    return current, stale


def _strange(name: RecordName, held: RecordName, record: Outcome | FloorRecord) -> str | None:
    """Return what the file of a record holds that is not current; None for a record of older settings or plugin versions."""
    if held != name:
        return f"the record of another, {held}"
    return "a smoke record" if record.is_smoke else None


def _noting(faults: list[str] | None) -> AbstractContextManager[None]:
    """Return a context that adds a UserError of its block to `faults`; one that does nothing where there is no such list."""
    return nullcontext() if faults is None else noted(faults)


def collect_runs(board: Board, runs: RunsFolder) -> Collection:
    """Read the records of a runs folder, which keeps records of older settings beside the current ones.

    Raises: UserError for a damaged record that is current.
    """
    folder = runs.records(board.name)
    files = _file_names(folder)
    current = [(cell, runs.record(board.name, cell.name, cell.key).name) for cell in board.cells]
    present = [(cell, file) for cell, file in current if file in files]
    records: dict[str, Outcome] = {}
    for (cell, file), record in zip(present, load_outcomes(folder, [file for _, file in present]), strict=True):
        _check_outcome(folder / file, cell, record)
        records[cell.name] = record
    stems = {record_file_stem(file) for file in files}
    absent = [RecordName("cell", cell.name) for cell, _ in current if cell.name not in records]
    floors: dict[str, FloorRecord] = {}
    for floor in board.floors:
        path = runs.floor(board.name, floor.name, floor.key)
        if path.name in files:
            floors[floor.name] = floor_record(path, floor)
    return Collection(board, records, floors, tuple(name for name in absent if name.file_stem in stems))


def _check_outcome(path: Path, cell: Cell, outcome: Outcome) -> None:
    """Raises: DamagedRecord when the record in a file is not that of the cell, or has values that the cell cannot have."""
    check_is_of(path, cell.name, cell.key, name=outcome.cell, key=outcome.key)
    if outcome.status == "done":
        check_draws(path, cell.columns, dict(outcome.draws))
    # The mean is there for NaN, which is neither the least nor the largest of values.
    values = ((name, (outcome.minima[name], mean, outcome.maxima[name])) for name, mean in outcome.means.items())
    check_values(path, cell.columns, values)


def is_current(record: Outcome | FloorRecord, key: str, board: Board) -> bool:
    """Return whether the record has this key. A smoke record never counts for a real board."""
    return record.key == key and record.is_smoke == board.is_smoke


def _file_names(folder: Path) -> set[str]:
    try:
        with reading(folder):
            return set(os.listdir(folder))
    except Damage:
        return set()
