"""The training logs of a board, read from beside its records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.board.board import Board
from harness.board.log_files import LogFile, base_logs, cell_log
from harness.store.board_folder import BoardFolder
from harness.store.runs_folder import RunsFolder
from harness.training.training_log import LogLine, read_log

Lines = tuple[LogLine, ...]


@dataclass(frozen=True)
class TrainingLogs:
    """The logs that there are. A training of an older version has none.

    Args:
        cells: lines by the cell's name.
        bases: the lines of each step of pretraining, by the base's full name; no lines for a step without a log.
    """

    cells: Mapping[str, Lines] = field(default_factory=dict)
    bases: Mapping[str, tuple[Lines, ...]] = field(default_factory=dict)


def read_published_logs(board: Board) -> TrainingLogs:
    """Read the logs among the published results. A log of another training than the board's is passed over."""
    folder = BoardFolder(board.folder)
    return _read(board, lambda log: log.published(folder))


def read_run_logs(board: Board, runs: RunsFolder) -> TrainingLogs:
    """Read the logs beside the records of a runs folder."""
    return _read(board, lambda log: log.beside_records(runs, board.name))


def _read(board: Board, path_of: Callable[[LogFile], Path]) -> TrainingLogs:
    def lines(log: LogFile) -> Lines:
        return tuple(read_log(path_of(log), log.training_key))

    logs = {cell.name: cell_log(cell) for cell in board.cells}
    cells = {name: found for name, log in logs.items() if log is not None and (found := lines(log))}
    steps = {base.full_name: tuple(lines(log) for log in base_logs(base)) for base in board.bases}
    return TrainingLogs(cells, {name: found for name, found in steps.items() if any(found)})
