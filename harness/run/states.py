"""States of a board's cells and floors, read from the records in a runs folder. Imports no torch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.columns import Floor
from harness.run.changes import Change, changes
from harness.run.durations import PastDurations, seconds_of
from harness.stages.brief_records import brief_record
from harness.stages.current_records import current_floor, current_record
from harness.stages.record import record_path
from harness.store.records import Record, SourceFacts, Status
from harness.store.runs_folder import RunsFolder

State = Status | Literal["to run"]
ORDER: tuple[State, ...] = ("done", "to run", "diverged", "failed", "skipped")
"""The order in which a summary counts the states."""


@dataclass(frozen=True)
class CellState:
    """A cell and how it stands.

    Args:
        reason: why the cell is skipped, diverged or failed.
        record: the record of the cell's current key; None when the cell is to run, or skipped, and from a `StatesReader`.
        changed: the code that was edited since the record was made; the cell keeps its state.
        seconds: what the cell took; for a cell that is to run an estimate, None when no such cell has run before.
    """

    cell: Cell
    state: State
    reason: str = ""
    record: Record | None = None
    seconds: float | None = None
    changed: tuple[Change, ...] = ()

    @property
    def needs_a_run(self) -> bool:
        """True for a cell without a result: a failed cell counts, because the next run tries it again."""
        return self.state in ("to run", "failed")

    def as_json(self) -> dict[str, object]:
        """Return what `--json` shows of the cell."""
        return {
            "cell": self.cell.name,
            "state": self.state,
            "reason": self.reason,
            "seconds": self.seconds,
            "key": self.cell.key,
            "changed": [change.recorded.component for change in self.changed],
        }


def states(board: Board, cells: Sequence[Cell], runs: RunsFolder) -> list[CellState]:
    """Return how each cell stands, with its record, in the order of `cells`."""
    past = PastDurations(board, runs)
    return [_state(cell, runs, past) for cell in cells]


def _state(cell: Cell, runs: RunsFolder, past: PastDurations) -> CellState:
    if cell.skip_reason is not None:
        return CellState(cell, "skipped", cell.skip_reason)
    record = current_record(cell, runs)
    if record is None:
        return CellState(cell, "to run", seconds=past.estimate(cell))
    return recorded_state(cell, record)


class StatesReader:
    """Reads how cells stand, without their records, again and again.

    A record is read again when its file is another one: a look lists one folder. Ten thousand records take a second.
    """

    def __init__(self, board: Board, cells: Sequence[Cell], runs: RunsFolder) -> None:
        self._cells, self._runs = cells, runs
        self._folder = runs.records(board.name)
        self._past = PastDurations(board, runs)
        self._known: dict[str, tuple[_Stamp, CellState]] = {}
        self._changed: dict[int, tuple[tuple[SourceFacts, ...], tuple[Change, ...]]] = {}

    def read(self) -> list[CellState]:
        """Return how each cell stands now, in the order of the cells."""
        stamps = _stamps(self._folder) if self._known else {}
        return [self._state(cell, stamps) for cell in self._cells]

    def _changes(self, sources: tuple[SourceFacts, ...]) -> tuple[Change, ...]:
        """Return what was edited since records were made that share these sources."""
        if id(sources) not in self._changed:
            self._changed[id(sources)] = sources, changes(sources)
        return self._changed[id(sources)][1]

    def _state(self, cell: Cell, stamps: Mapping[str, _Stamp]) -> CellState:
        if cell.skip_reason is not None:
            return CellState(cell, "skipped", cell.skip_reason)
        path = record_path(cell, self._runs)
        stamp, known = stamps.get(path.name), self._known.get(path.name)
        if stamp is not None and known is not None and known[0] == stamp:
            return known[1]
        record = brief_record(cell, self._runs, path)
        if record is None:
            return CellState(cell, "to run", seconds=self._past.estimate(cell))
        state = CellState(cell, record.status, record.reason, None, record.seconds, self._changes(record.sources))
        self._known[path.name] = stamp or _NEVER, state
        return state


_Stamp = tuple[int, int, int]
_NEVER: _Stamp = (0, 0, 0)


def _stamps(folder: Path) -> dict[str, _Stamp]:
    """Return inode, size and time of each file of a folder, by its name."""
    found: dict[str, _Stamp] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                status = entry.stat()
                found[entry.name] = status.st_ino, status.st_size, status.st_mtime_ns
    return found


def recorded_state(cell: Cell, record: Record) -> CellState:
    """Return how a cell stands that has this record."""
    return CellState(cell, record.status, record.reason, record, seconds_of(record), changes(record.sources))


def missing_floors(board: Board, runs: RunsFolder) -> list[Floor]:
    """Return the board's floors that have no record; after a run, these are the floors that failed."""
    return [floor for floor in board.floors if current_floor(board.name, floor, runs) is None]


def summary(cell_states: Sequence[CellState]) -> str:
    """Return a line such as `8 cells: 5 done, 2 to run, 1 skipped`."""
    counts = Counter(cell_state.state for cell_state in cell_states)
    parts = [f"{counts[state]} {state}" for state in ORDER if counts[state]]
    cells = "1 cell" if len(cell_states) == 1 else f"{len(cell_states)} cells"
    return f"{cells}: {', '.join(parts)}"
