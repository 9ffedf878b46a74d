"""The records of a board, of a runs folder, or of a folder of records, each with its file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.board.board import Board
from harness.errors import UserError
from harness.store.board_folder import BoardFolder
from harness.store.records import FloorRecord, Record, load_floor, load_record
from harness.store.runs_folder import RunsFolder

Origin = Literal["published", "run"]


@dataclass(frozen=True)
class FoundRecord:
    """A record, where it is, and whether it is current; `is_current` is None where no board was read."""

    record: Record | FloorRecord
    file: Path
    origin: Origin
    is_current: bool | None


def records_of_board(board: Board, runs: RunsFolder | None = None) -> Iterator[FoundRecord]:
    """Yield the published records of a board, then those of a runs folder that are no copies of published ones.

    Raises: UserError for a record that is damaged, or newer than this harness.
    """
    keys = _keys(board)
    published: set[tuple[str, str]] = set()
    for file in _files(BoardFolder(board.folder).results):
        record = _load(file)
        published.add((_name(record), record.key))
        yield FoundRecord(record, file, "published", _is_current(record, keys, board))
    for file in [] if runs is None else _files(runs.records(board.name)):
        record = _load(file)
        if (_name(record), record.key) not in published:
            yield FoundRecord(record, file, "run", _is_current(record, keys, board))


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


def _keys(board: Board) -> dict[str, set[str]]:
    """Return the keys that the board now gives its cells and floors; floors of several sizes have one metric."""
    keys: dict[str, set[str]] = {}
    for cell in board.cells:
        keys.setdefault(f"cell {cell.name}", set()).add(cell.key)
    for floor in board.floors:
        keys.setdefault(f"floor {floor.column.name}", set()).add(floor.key)
    return keys


def _is_current(record: Record | FloorRecord, keys: dict[str, set[str]], board: Board) -> bool:
    return record.key in keys.get(_name(record), ()) and record.is_smoke == board.is_smoke
