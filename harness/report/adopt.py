"""Take published records as done. A board that runs on several machines or days then goes on from its results."""

from __future__ import annotations

import os

from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.columns import Floor
from harness.board.log_files import cell_log, log_files
from harness.report.collect import collect_published
from harness.report.outcome import Outcome
from harness.report.record_files import RecordFiles, record_files
from harness.run.fresh import pending_records
from harness.stages.current_records import has_result, is_measured
from harness.store.board_folder import BoardFolder
from harness.store.files import write_text
from harness.store.reading import read_text
from harness.store.records import FloorRecord
from harness.store.runs_folder import RunsFolder
from harness.training.training_log import read_log


def adoptable(board: Board, runs: RunsFolder, *, faults: list[str] | None = None) -> list[RecordFiles]:
    """Return the board's published, current records for which the runs folder has none of the same key, or one that is damaged.

    A published result also stands in for a cell that failed here.

    Args:
        faults: where it is given, a damaged record is none, and a line about it is added here.
    Raises: UserError for a damaged record, without `faults`.
    """
    collection = collect_published(board, faults=faults)
    made_anew = pending_records(board, runs)  # a published record in its place would count as done
    items: tuple[Cell | Floor, ...] = (*board.cells, *board.floors)
    return [
        files
        for files, item in zip(record_files(board, runs), items, strict=True)
        if (published := collection.find(files.record)) is not None and files.run not in made_anew
        if not os.path.exists(files.run) or _replaces(published, item, board, runs)
    ]


def _replaces(published: Outcome | FloorRecord, item: Cell | Floor, board: Board, runs: RunsFolder) -> bool:
    """Return whether a published result is better than what the runs folder has: a damaged record, or a failed cell."""
    if isinstance(item, Floor):
        return not is_measured(board.name, item, runs)
    return isinstance(published, Outcome) and published.status != "failed" and not has_result(item, runs)


def adopt(board: Board, runs: RunsFolder) -> int:
    """Copy the adoptable records into the runs folder. A record stays as it is, checksum and all.

    Returns: how many records were copied. Raises: UserError for a damaged record.
    """
    records = adoptable(board, runs)
    for files in records:
        write_text(files.run, read_text(files.published))
    _adopt_logs(board, runs, {files.record.name for files in records if files.record.kind == "cell"})
    return len(records)


def _adopt_logs(board: Board, runs: RunsFolder, adopted: set[str]) -> None:
    """Copy the published training logs that the runs folder has not, and those of cells whose records were copied.

    So its plots show them too, and no record stands beside the log of a training that failed.
    """
    folder = BoardFolder(board.folder)
    copied = {cell_log(cell) for cell in board.cells if cell.name in adopted}
    for log in log_files(board.cells, board.bases):
        published, run = log.published(folder), log.beside_records(runs, board.name)
        if (log in copied or not run.exists()) and read_log(published, log.training_key):
            write_text(run, read_text(published))
