"""The records of a board, of a runs folder, or of a folder of records, each with its file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.board.board import Board
from harness.errors import UserError
from harness.report.collect import collect_published
from harness.report.passed_over import passed_over
from harness.results.found_record import FoundRecord, name_of
from harness.results.rivals import counted_once
from harness.stages.current_records import cell_record, floor_record
from harness.store.board_folder import BoardFolder
from harness.store.reading import read_bytes
from harness.store.record_names import RecordName
from harness.store.records import LARGEST, FloorRecord, Record, load_floor, load_record
from harness.store.runs_folder import RunsFolder
from harness.store.seal import seal_of

log = logging.getLogger(__name__)


def records_of_board(
    board: Board, runs: RunsFolder | None = None, remark: Callable[[str], None] = log.warning
) -> Iterator[FoundRecord]:
    """Yield the published records of a board, then those of a runs folder that are no copies of published ones.

    A copy has the same content. Of two results of one key, the newer one is current, so that nothing counts twice. Published
    files of nothing that the board has are left out, as on the board's page.

    Args:
        remark: takes a line for each published file that counts for nothing, and one for results that have a newer one beside.
    Raises: UserError for a record that is damaged, or newer than this harness.
    """
    published = list(_published(board, remark))
    files = {name_of(found.record): found.file for found in published}

    def is_copy(found: FoundRecord) -> bool:
        file = files.get(name_of(found.record))
        return file is not None and _seal(file) == _seal(found.file)

    of_runs = [] if runs is None else [found for found in _of_runs(board, runs) if not is_copy(found)]
    found, lines = counted_once(published, of_runs)
    for line in lines:
        remark(line)
    yield from found


def _seal(file: Path) -> str | None:
    return seal_of(read_bytes(file, largest=LARGEST))


def _published(board: Board, remark: Callable[[str], None]) -> Iterator[FoundRecord]:
    collection = collect_published(board)
    for line in passed_over(collection):
        remark(line)
    names = [RecordName("cell", cell.name) for cell in board.cells] + [RecordName("floor", each.name) for each in board.floors]
    by_file = {name.file_name: name for name in names}
    for file in _files(BoardFolder(board.folder).results):
        if (name := by_file.get(file.name)) is not None and name not in collection.strange:
            yield FoundRecord(_load(file), file, "published", collection.find(name) is not None)


def _of_runs(board: Board, runs: RunsFolder) -> Iterator[FoundRecord]:
    """Yield the records of a runs folder. A current one is in the file of its cell and key: a copy beside it is none."""
    cells = {runs.record(board.name, cell.name, cell.key).name: cell for cell in board.cells}
    floors = {runs.floor(board.name, floor.name, floor.key).name: floor for floor in board.floors}
    for file in _files(runs.records(board.name)):
        if (cell := cells.get(file.name)) is not None:
            record: Record | FloorRecord = cell_record(file, cell)
        elif (floor := floors.get(file.name)) is not None:
            record = floor_record(file, floor)
        else:
            yield FoundRecord(_load(file), file, "run", is_current=False)
            continue
        yield FoundRecord(record, file, "run", record.is_smoke == board.is_smoke)


def records_in(folder: Path) -> Iterator[FoundRecord]:
    """Yield the records of a runs folder, over all its boards, or those that lie in a folder side by side.

    Raises: UserError where there are none, and for a record that is damaged, or newer than this harness.
    """
    of_runs = [file for board in sorted((folder / "records").glob("*")) if board.is_dir() for file in _files(board)]
    files = of_runs or _files(folder)
    if not files:
        raise UserError(f"{folder}: neither a board, nor a runs folder with records, nor a folder of records")
    for file in files:
        yield FoundRecord(_load(file), file, "run" if of_runs else "published", None)


def _files(folder: Path) -> list[Path]:
    """Return the records in a folder; other results, such as previews and logs, stand beside them."""
    return [file for file in sorted(folder.glob("*.json")) if not file.name.startswith(("preview__", "."))]


def _load(file: Path) -> Record | FloorRecord:
    return load_floor(file) if file.name.startswith("floor__") else load_record(file)
