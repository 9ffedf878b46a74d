"""Take published records as done: a board that grew on several machines, or over several days, goes on from its results."""

from __future__ import annotations

from pathlib import Path

from harness.board.board import Board
from harness.report.collect import collect_published, floor_file, record_file
from harness.store.files import write_text
from harness.store.runs_folder import RunsFolder


def adopt(board: Board, layout: RunsFolder) -> int:
    """Copy the board's published, current records into the runs folder, where there are none of the same key.

    A record stays as it is, checksum and all. Returns: how many were copied. Raises: UserError for a damaged one.
    """
    results = board.folder / "results"
    found = collect_published(board, results)
    copies: dict[Path, Path] = {}
    for cell in board.cells:
        if cell.name in found.records:
            copies[layout.record(board.name, cell.name, cell.key)] = results / record_file(cell.name)
    for floor in board.floors:
        name = floor.name
        if name in found.floors:
            copies[layout.floor(board.name, name, floor.key)] = results / floor_file(name)
    missing = {there: here for there, here in copies.items() if not there.exists()}
    for there, here in missing.items():
        write_text(there, here.read_text(encoding="utf-8"))
    return len(missing)
