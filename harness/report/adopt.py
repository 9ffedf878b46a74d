"""Take published records as done. A board that runs on several machines or days then goes on from its results."""

from __future__ import annotations

import os

from harness.board.board import Board
from harness.report.collect import collect_published
from harness.report.record_files import RecordFiles, record_files
from harness.run.fresh import pending_records
from harness.store.files import write_text
from harness.store.reading import read_text
from harness.store.runs_folder import RunsFolder


def adoptable(board: Board, runs: RunsFolder) -> list[RecordFiles]:
    """Return the board's published, current records for which the runs folder has no record of the same key.

    Raises: UserError for a damaged record.
    """
    collection = collect_published(board)
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
    return len(records)
