"""Estimate how long a cell will take, from the records of cells of the same base, method and sampler."""

from __future__ import annotations

import statistics
from functools import cached_property

from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.grids import split_point
from harness.errors import UserError
from harness.store.board_folder import BoardFolder
from harness.store.records import Record, load_record
from harness.store.runs_folder import RunsFolder


def seconds_of(record: Record) -> float:
    """Return the wall-clock seconds that a cell took: fine-tuning, sampling and measuring."""
    return record.costs.seconds_finetune + _seconds_of_samples(record)


def _seconds_of_samples(record: Record) -> float:
    """Return the seconds that a cell took after its training: sampling and measuring."""
    return record.costs.seconds_sample + sum(metric.seconds for metric in record.metrics.values())


_Row = tuple[str, str, str | None]
"""Base, method and sampler."""


class PastDurations:
    """The seconds that cells took before, by the records in this runs folder and the published ones.

    Records are read when the first estimate is asked for.
    """

    def __init__(self, board: Board, runs: RunsFolder) -> None:
        self._board, self._layout = board, runs
        self._counted: set[str] = set()
        """Keys of the trainings that estimates hold."""

    def estimate(self, cell: Cell) -> float | None:
        """Return the mean seconds of done cells with the cell's base, method and sampler; None when there are none.

        A point of a grid of which no cell is done takes as long as the other points of its grid. The training that cells of
        several samplers share counts for the first of them that is asked about, unless it is done.
        """
        base, sampler, entry = cell.base.name, cell.row.sampler_name, split_point(cell.method_name)[0]
        seconds = self._seconds_by_row.get((base, cell.method_name, sampler))
        seconds = seconds or self._seconds_by_grid.get((base, entry, sampler))
        if not seconds:
            return None
        is_trained = cell.row.sampler_name is not None and self._has_training(cell)
        return statistics.fmean(of_samples if is_trained else of_samples + of_training for of_training, of_samples in seconds)

    def _has_training(self, cell: Cell) -> bool:
        """Return whether the cell's training is done, or counted for another cell. From now on it is counted."""
        has_training = cell.finetune_key in self._counted or self._layout.stage("finetune", cell.finetune_key).is_dir()
        self._counted.add(cell.finetune_key)
        return has_training

    @cached_property
    def _seconds_by_row(self) -> dict[_Row, list[tuple[float, float]]]:
        """The seconds of the training and of the rest, for each done cell of a row."""
        seconds: dict[_Row, list[tuple[float, float]]] = {}
        folders = [self._layout.records(self._board.name)]
        if not self._board.is_smoke:  # published records are of the full budgets
            folders.append(BoardFolder(self._board.folder).results)
        for path in (path for folder in folders for path in sorted(folder.glob("*__s*.json"))):
            try:
                record = load_record(path)
            except UserError:
                continue
            if record.status == "done":
                row = record.base, record.method, record.sampler_name
                seconds.setdefault(row, []).append((record.costs.seconds_finetune, _seconds_of_samples(record)))
        return seconds

    @cached_property
    def _seconds_by_grid(self) -> dict[_Row, list[tuple[float, float]]]:
        """The values of `_seconds_by_row`, those of all points of a grid together under the name of its entry."""
        seconds: dict[_Row, list[tuple[float, float]]] = {}
        for (base, method, sampler), of_row in self._seconds_by_row.items():
            seconds.setdefault((base, split_point(method)[0], sampler), []).extend(of_row)
        return seconds
