"""The records of a board, of a runs folder, or of a folder of records, each with its file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.board.board import Board
from harness.errors import UserError
from harness.report.collect import collect_published
from harness.report.passed_over import passed_over
from harness.report.phrases import listed
from harness.stages.current_records import cell_record, floor_record
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import FloorRecord, Record, load_floor, load_record
from harness.store.runs_folder import RunsFolder

log = logging.getLogger(__name__)
Origin = Literal["published", "run"]


@dataclass(frozen=True)
class FoundRecord:
    """A record, where it is, and whether it is current; `is_current` is None where no board was read."""

    record: Record | FloorRecord
    file: Path
    origin: Origin
    is_current: bool | None


def records_of_board(
    board: Board, runs: RunsFolder | None = None, remark: Callable[[str], None] = log.warning
) -> Iterator[FoundRecord]:
    """Yield the published records of a board, then those of a runs folder that are not published under the same key.

    Published files of nothing that the board has are left out, as on the board's page. So are other results of the runs folder
    under the key of a published one, after `--fresh`, say: a cell would count twice.

    Args:
        remark: takes a line for each published file that counts for nothing, and one about the results of the runs folder that
            differ from the published ones.
    Raises: UserError for a record that is damaged, or newer than this harness.
    """
    published: dict[tuple[str, str], Record | FloorRecord] = {}
    for found in _published(board, remark):
        published[_name(found.record), found.record.key] = found.record
        yield found
    others: list[str] = []
    for found in [] if runs is None else _of_runs(board, runs):
        same_key = published.get((_name(found.record), found.record.key))
        if same_key is None:
            yield found
        elif same_key != found.record:
            others.append(_name(found.record))
    if runs is not None and others:
        results = "1 result" if len(others) == 1 else f"{len(others)} results"
        remark(
            f"{runs.root} has {results} other than those published under the same keys, which are left out: {listed(others)}; "
            f"publish the board to take them, or read {runs.root} itself"
        )


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


def _name(record: Record | FloorRecord) -> str:
    kind, name = ("cell", record.cell) if isinstance(record, Record) else ("floor", record.metric)
    return f"{kind} {name}"
