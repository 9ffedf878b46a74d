"""Records and bases of a board that are not where a run looks for them: under another name of the board, or published only."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from harness.errors import noted

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.board.cells import Cell
    from harness.store.runs_folder import RunsFolder


def records_elsewhere(board: Board, cells: Sequence[Cell], runs: RunsFolder) -> list[str]:
    """Return a line for each place that has records of cells that stand as `to run`, or bases, with the way to take them over.

    A published record that is damaged has a line of its own: the cell has to be run again, unless somebody restores the file.
    A cell's key does not hold the board's name: a board that was renamed has the same cells as before.
    """
    files = {runs.record(board.name, cell.name, cell.key).name: cell.name for cell in cells if cell.skip_reason is None}
    here = _names_in(runs.records(board.name))
    missing = {file: cell for file, cell in files.items() if file not in here}
    if not missing:
        return []
    waiting = [cell for cell in cells if cell.name in set(missing.values())]
    return [*_under_other_names(board, missing, runs), *_published(board, waiting, runs)]


def _under_other_names(board: Board, missing: Collection[str], runs: RunsFolder) -> list[str]:
    own = runs.records(board.name)
    lines = []
    for folder in sorted(path for path in _folders_in(own.parent) if path != own):
        count = len(_names_in(folder) & set(missing))
        if count:
            copy = f"mkdir -p {quote(str(own))} && cp -n {quote(str(folder))}/*.json* {quote(str(own))}/"
            lines.append(f"{_cells(count)} under the board {folder.name} in {folder}; to take them over: {copy}")
    return lines


def _published(board: Board, missing: Sequence[Cell], runs: RunsFolder) -> list[str]:
    from harness.report import adopt_bases
    from harness.report.adopt import adoptable
    from harness.report.published_bases import bases_folder
    from harness.store.board_folder import BoardFolder

    if board.is_smoke:
        return []
    faults: list[str] = []
    published: set[str] = set()
    bases = 0
    with noted(faults):
        published = {files.record.name for files in adoptable(board, runs, faults=faults) if files.record.kind == "cell"}
    with noted(faults):
        bases = len(adopt_bases.adoptable(board, missing, runs, compares_files=False))
    count = len(published & {cell.name for cell in missing})
    results = BoardFolder(board.folder).results
    way = f"`harness run {board.folder} --keep-published` takes"
    found = [f"{_cells(count)} in {results}; {way} {'it' if count == 1 else 'them'} over"] if count else []
    of = "1 base" if bases == 1 else f"{bases} bases"
    found += [f"the weights of {of} are in {bases_folder(board)}; {way} them over"] if bases else []
    return [*faults, *found]


def _cells(count: int) -> str:
    return "a record of one cell exists" if count == 1 else f"records of {count:,} cells exist"


def _names_in(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def _folders_in(folder: Path) -> list[Path]:
    return [folder / name for name in _names_in(folder) if (folder / name).is_dir()]
