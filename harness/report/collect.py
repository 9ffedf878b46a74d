"""All records of a board: which are current, which are stale, and which are missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.board.board import Board
from harness.board.cells import Cell, Row
from harness.report.outcome import Outcome, load_outcomes
from harness.store.records import FloorRecord, load_floor
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class Collection:
    """A board's records.

    Args:
        records: current ones by cell name; current means that its key is the one that the board now gives its cell.
        floors: current ones by the floor's name: the metric's, with the number of samples where there are several.
        stale: names of cells and floors whose record was made by older settings or plugin versions, or in a smoke run.
    """

    board: Board
    records: Mapping[str, Outcome]
    floors: Mapping[str, FloorRecord]
    stale: tuple[str, ...]

    @cached_property
    def rows(self) -> list[tuple[Row, list[Cell]]]:
        """The board's cells by base × method, in the order of the board."""
        rows: dict[str, tuple[Row, list[Cell]]] = {}
        for cell in self.board.cells:
            rows.setdefault(cell.row.name, (cell.row, []))[1].append(cell)
        return list(rows.values())

    @cached_property
    def missing(self) -> list[Cell]:
        """Cells that could run and have no current record."""
        return [cell for cell in self.board.cells if cell.name not in self.records and cell.skip_reason is None]

    @cached_property
    def missing_floors(self) -> list[str]:
        """Names of floors that have no current record."""
        return [floor.name for floor in self.board.floors if floor.name not in self.floors]


def record_file(cell: str) -> str:
    """Name of a cell's published record."""
    return f"{cell.replace('/', '__')}.json"


def floor_file(floor: str) -> str:
    """Name of a published floor."""
    return f"floor__{floor}.json"


def collect_published(board: Board, folder: Path) -> Collection:
    """The records that `harness publish` put into a board's `results` folder. Raises: UserError for a damaged one."""
    names = _names(folder)
    there = [(cell, name) for cell in board.cells if (name := record_file(cell.name)) in names]
    records: dict[str, Outcome] = {}
    floors: dict[str, FloorRecord] = {}
    stale: list[str] = []
    for (cell, _), record in zip(there, load_outcomes(folder, [name for _, name in there]), strict=True):
        if is_current(record, cell.key, board):
            records[cell.name] = record
        else:
            stale.append(cell.name)
    for floor in board.floors:
        if (name := floor_file(floor.name)) in names:
            found = load_floor(folder / name)
            if is_current(found, floor.key, board):
                floors[floor.name] = found
            else:
                stale.append(f"floor of {floor.name}")
    return Collection(board, records, floors, tuple(stale))


def collect_runs(board: Board, layout: RunsFolder) -> Collection:
    """The records of a runs folder, which keeps those of older settings beside the current ones."""
    folder = layout.records(board.name)
    names = _names(folder)
    older = {name.rsplit(".", 2)[0] for name in names}
    files = {cell.name: layout.record(board.name, cell.name, cell.key).name for cell in board.cells}
    there = {cell: file for cell, file in files.items() if file in names}
    records = dict(zip(there, load_outcomes(folder, list(there.values())), strict=True))
    stale = [cell for cell in files if cell not in there and cell.replace("/", "__") in older]
    floors: dict[str, FloorRecord] = {}
    for floor in board.floors:
        path = layout.floor(board.name, floor.name, floor.key)
        if path.name in names:
            floors[floor.name] = load_floor(path)
    return Collection(board, records, floors, tuple(stale))


def is_current(record: Outcome | FloorRecord, key: str, board: Board) -> bool:
    """Whether the board still gives the record's cell this key; a smoke record never counts for a real board."""
    return record.key == key and record.is_smoke == board.is_smoke


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()
