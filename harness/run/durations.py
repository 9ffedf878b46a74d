"""Estimate how long a cell will take, from the records of cells of the same base and method."""

from __future__ import annotations

import statistics
from functools import cached_property

from harness.board.board import Board
from harness.board.cells import Cell
from harness.errors import UserError
from harness.store.board_folder import BoardFolder
from harness.store.records import Record, load_record
from harness.store.runs_folder import RunsFolder


def seconds_of(record: Record) -> float:
    """Return the wall-clock seconds that a cell took: fine-tuning, sampling and measuring."""
    costs = record.costs
    return costs.seconds_finetune + costs.seconds_sample + sum(metric.seconds for metric in record.metrics.values())


class PastDurations:
    """The seconds that cells took before, by the records in this runs folder and the published ones.

    Records are read when the first estimate is asked for.
    """

    def __init__(self, board: Board, runs: RunsFolder) -> None:
        self._board, self._layout = board, runs

    def estimate(self, cell: Cell) -> float | None:
        """Return the mean seconds of done cells with the cell's base and method; None when there are none."""
        seconds = self._seconds_by_row.get((cell.base.name, cell.method_name))
        return statistics.fmean(seconds) if seconds else None

    @cached_property
    def _seconds_by_row(self) -> dict[tuple[str, str], list[float]]:
        seconds: dict[tuple[str, str], list[float]] = {}
        folders = [self._layout.records(self._board.name)]
        if not self._board.is_smoke:  # published records are of the full budgets
            folders.append(BoardFolder(self._board.folder).results)
        for path in (path for folder in folders for path in sorted(folder.glob("*__s*.json"))):
            try:
                record = load_record(path)
            except UserError:
                continue
            if record.status == "done":
                seconds.setdefault((record.base, record.method), []).append(seconds_of(record))
        return seconds
