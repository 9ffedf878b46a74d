"""Training logs that are published beside the records: small ones of the trainings that the records are of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

from harness.board.board import Board
from harness.board.log_files import LogFile, base_logs, cell_log
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.runs_folder import RunsFolder
from harness.training.training_log import read_log

LARGEST = 64 * 1024
"""Bytes of the largest log that is published: about 500 lines, 50,000 steps. Larger ones stay in the runs folder."""


def copies(board: Board, runs: RunsFolder, taken: Collection[str]) -> dict[str, Path]:
    """Return the logs of the runs folder that are published, by the names of their published files.

    A log goes with its record: where a published record stays, the runs folder's log is of another run.

    Args:
        taken: names of the records that are taken from the runs folder. The log of a base needs a cell of the base among them.
    """
    folder = BoardFolder(board.folder)
    paths = {log: log.beside_records(runs, board.name) for log, records in _logs(board) if not records.isdisjoint(taken)}
    return {
        log.published(folder).name: path
        for log, path in paths.items()
        if path.is_file() and path.stat().st_size <= LARGEST and read_log(path, log.training_key)
    }


def belonging(board: Board, stale: Collection[RecordName], replaced: Collection[str]) -> set[str]:
    """Return the names of published logs that stay: those of the board's trainings, and those beside stale records that stay.

    Args:
        replaced: names of records that another run's record replaces: what was logged beside them goes with them. The log of a
            base goes with the last cell of the base.
    """
    folder = BoardFolder(board.folder)
    stale_stems = {name.file_stem for name in stale}
    return {
        log.published(folder).name
        for log, records in _logs(board)
        if not records.issubset(replaced) and (log.stem in stale_stems or read_log(log.published(folder), log.training_key))
    }


def names(board: Board) -> set[str]:
    """Return the names of all logs that the board may have among its published results."""
    folder = BoardFolder(board.folder)
    return {log.published(folder).name for log, _ in _logs(board)}


def _logs(board: Board) -> Iterator[tuple[LogFile, frozenset[str]]]:
    """Yield each log that the board may have, with the names of the records that it belongs to."""
    of_base: defaultdict[str, set[str]] = defaultdict(set)
    for cell in board.cells:
        name = RecordName("cell", cell.name).file_name
        of_base[cell.base.full_name].add(name)
        if (log := cell_log(cell)) is not None:
            yield log, frozenset({name})
    for base in board.bases:
        for log in base_logs(base):
            yield log, frozenset(of_base[base.full_name])
