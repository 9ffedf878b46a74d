"""States of a board's cells and floors, read from the records in a runs folder. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.columns import Floor
from harness.run.changes import Change, changes
from harness.run.durations import PastDurations, seconds_of
from harness.stages.current_records import current_floor, current_record
from harness.store.records import Record, Status
from harness.store.runs_folder import RunsFolder

State = Status | Literal["to run"]
ORDER: tuple[State, ...] = ("done", "to run", "diverged", "failed", "skipped")
"""The order in which a summary counts the states."""


@dataclass(frozen=True)
class CellState:
    """A cell and how it stands.

    Args:
        reason: why the cell is skipped, diverged or failed.
        record: the record of the cell's current key; None when the cell is to run, or skipped.
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
    """Return how each cell stands, in the order of `cells`."""
    past = PastDurations(board, runs)
    return [_state(cell, runs, past) for cell in cells]


def _state(cell: Cell, runs: RunsFolder, past: PastDurations) -> CellState:
    if cell.skip_reason is not None:
        return CellState(cell, "skipped", cell.skip_reason)
    record = current_record(cell, runs)
    if record is None:
        return CellState(cell, "to run", seconds=past.estimate(cell))
    return recorded_state(cell, record)


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
    return f"{len(cell_states)} cells: {', '.join(parts)}"
