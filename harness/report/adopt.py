"""Take published records as done. A board that runs on several machines or days then goes on from its results."""

from __future__ import annotations

import os

from harness.board.board import Board
from harness.board.log_files import log_files
from harness.report.collect import collect_published
from harness.report.record_files import RecordFiles, record_files
from harness.run.fresh import pending_records
from harness.store.board_folder import BoardFolder
from harness.store.files import write_text
from harness.store.reading import read_text
from harness.store.runs_folder import RunsFolder
from harness.training.training_log import read_log


def adoptable(board: Board, runs: RunsFolder, *, faults: list[str] | None = None) -> list[RecordFiles]:
    """Return the board's published, current records for which the runs folder has no record of the same key.

    Args:
        faults: where it is given, a damaged record is none, and a line about it is added here.
    Raises: UserError for a damaged record, without `faults`.
    """
    collection = collect_published(board, faults=faults)
    made_anew = pending_records(board, runs)  # a published record in its place would count as done
    return [
        files
        for files in record_files(board, runs)
        if collection.find(files.record) is not None and not os.path.exists(files.run) and files.run not in made_anew
    ]


def adopt(board: Board, runs: RunsFolder) -> int:
    """Copy the adoptable records into the runs folder. A record stays as it is, checksum and all.

    Returns: how many records were copied. Raises: UserError for a damaged record.
    """
    records = adoptable(board, runs)
    for files in records:
        write_text(files.run, read_text(files.published))
    _adopt_logs(board, runs)
    return len(records)


def _adopt_logs(board: Board, runs: RunsFolder) -> None:
    """Copy the published training logs that the runs folder has not, so that its plots show them too."""
    folder = BoardFolder(board.folder)
    for log in log_files(board.cells, board.bases):
        published, run = log.published(folder), log.beside_records(runs, board.name)
        if not run.exists() and read_log(published, log.training_key):
            write_text(run, read_text(published))
