"""Training logs that are published beside the records: small ones of the board's present trainings."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from harness.board.board import Board
from harness.board.log_files import log_files
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.runs_folder import RunsFolder
from harness.training.training_log import read_log

LARGEST = 64 * 1024
"""Bytes of the largest log that is published: about 500 lines, 50,000 steps. Larger ones stay in the runs folder."""


def copies(board: Board, runs: RunsFolder) -> dict[str, Path]:
    """Return the logs of the runs folder that are published, by the names of their published files."""
    folder = BoardFolder(board.folder)
    paths = {log: log.beside_records(runs, board.name) for log in log_files(board.cells, board.bases)}
    return {
        log.published(folder).name: path
        for log, path in paths.items()
        if path.is_file() and path.stat().st_size <= LARGEST and read_log(path, log.training_key)
    }


def belonging(board: Board, stale: Collection[RecordName]) -> set[str]:
    """Return the names of published logs that stay: those of the board's trainings, and those beside stale records that stay."""
    folder = BoardFolder(board.folder)
    stale_stems = {name.file_stem for name in stale}
    return {
        log.published(folder).name
        for log in log_files(board.cells, board.bases)
        if log.stem in stale_stems or read_log(log.published(folder), log.training_key)
    }
