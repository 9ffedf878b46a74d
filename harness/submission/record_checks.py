"""Check the published records of a board against the board: seals, schema, names, keys, settings, values, code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.log_files import log_files
from harness.errors import UserError
from harness.report.code_versions import SHORT
from harness.report.phrases import listed
from harness.stages import sources
from harness.stages.current_records import check_floor, check_values, draws_of
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import FloorRecord, Record, SourceFacts, load_floor, load_record
from harness.submission.budget import floor_fault, undone
from harness.submission.expected import OF_BOARD, differences, other_versions
from harness.submission.findings import Finding, confirmed, contradicted, unconfirmed
from harness.training.training_log import read_log

Loaded = Sequence[tuple[Path, Record | FloorRecord]]


def check_records(board: Board) -> Iterator[Finding]:
    """Yield the findings about the records in a board's folder."""
    loaded, faults = _load(BoardFolder(board.folder).results)
    yield from faults
    yield confirmed("seals", f"{len(loaded)} records are whole, as they were written, and of a known schema")
    yield from _keys(board, loaded)
    yield from _missing(board, loaded)
    yield from _logs(board)
    yield from _code(record for _, record in loaded)


def _load(folder: Path) -> tuple[Loaded, list[Finding]]:
    loaded: list[tuple[Path, Record | FloorRecord]] = []
    faults = []
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith("preview__"):
            continue
        try:
            loaded.append((path, load_floor(path) if path.name.startswith("floor__") else load_record(path)))
        except UserError as error:
            faults.append(contradicted("seals", str(error).replace(f"{path}", path.name)))
    return loaded, faults


def _keys(board: Board, loaded: Loaded) -> Iterator[Finding]:
    """Check that each record is what the board would make under its name now."""
    cells = {RecordName("cell", cell.name).file_name: cell for cell in board.cells}
    floors = {RecordName("floor", floor.name).file_name: floor for floor in board.floors}
    current = 0
    for path, record in loaded:
        if path.name not in cells and path.name not in floors:
            yield contradicted("keys", f"{path.name}: the board has no such cell or floor")
        elif isinstance(record, FloorRecord):
            floor = floors[path.name]
            fault = _fault(partial(check_floor, path, floor, record))
            if record.key != floor.key or record.metric != floor.column.name or record.is_smoke:
                fault = "its key is not the one that the board gives; its settings or its code were others"
            fault = fault or floor_fault(floor, record)
            current += fault is None
            yield from [] if fault is None else [contradicted("keys", f"{path.name}: {fault}")]
        else:
            found = list(_of_cell(path, cells[path.name], record))
            current += not found
            yield from found
    yield confirmed("keys", f"{current} records have the keys, the settings and the ranges of the board")


def _of_cell(path: Path, cell: Cell, record: Record) -> Iterator[Finding]:
    if record.is_smoke or record.cell != cell.name:
        what = "of a smoke run" if record.is_smoke else f"of the cell {record.cell}"
        yield contradicted("keys", f"{path.name}: holds a record {what}")
        return
    others = other_versions(cell, record)
    if others:  # the key and the settings of components are those of other versions; the rest follows from the board
        yield unconfirmed("keys", f"{path.name}: made with other versions than are installed here: {', '.join(others)}")
        faults = differences(cell, record, OF_BOARD)
    else:
        faults = differences(cell, record)
        if record.key != cell.key:
            faults.append(f"its key {record.key[:SHORT]} is not the one that the board gives, {cell.key[:SHORT]}")
    if record.status == "done":
        faults += [*_unmeasured_columns(cell, record), *undone(cell, record)]
    values = [(name, each.values) for name, each in record.metrics.items()]
    if fault := _fault(partial(check_values, path, cell.columns, values)):
        faults.append(fault)
    yield from (contradicted("keys", f"{path.name}: {fault}") for fault in faults)


def _unmeasured_columns(cell: Cell, record: Record) -> list[str]:
    """Return the columns that the record lacks, or measured on another number of draws than the board has."""
    found = {name: draws_of(measured.values, measured.also) for name, measured in record.metrics.items()}
    wrong = [(column, set(found.get(column.name, (0,))) - {column.draws}) for column in cell.columns]
    return [f"{column.name}: {min(counts)} values, the board has {column.draws} draws" for column, counts in wrong if counts]


def _fault(check: Callable[[], None]) -> str | None:
    try:
        check()
    except UserError as error:
        return str(error).partition("damaged: ")[2].partition(": restore")[0]
    return None


def _missing(board: Board, loaded: Loaded) -> Iterator[Finding]:
    present = {path.name for path, _ in loaded}
    absent = [
        cell.name for cell in board.cells if RecordName("cell", cell.name).file_name not in present and not cell.skip_reason
    ]
    absent += [f"floor {floor.name}" for floor in board.floors if RecordName("floor", floor.name).file_name not in present]
    if absent:
        yield unconfirmed("whole", f"{len(absent)} cells and floors have no record: {listed(absent)}")
    else:
        yield confirmed("whole", "every cell and floor of the board has a record")


def _logs(board: Board) -> Iterator[Finding]:
    folder = BoardFolder(board.folder)
    bases = {cell.base.key: cell.base for cell in board.cells}.values()
    files = [(log, log.published(folder)) for log in log_files(board.cells, list(bases))]
    present = [(log, path) for log, path in files if path.is_file()]
    wrong = [path.name for log, path in present if not read_log(path, log.training_key)]
    if wrong:
        yield unconfirmed("logs", f"{len(wrong)} logs are not of the trainings of the board now: {listed(wrong)}")
    if files and not present:
        yield unconfirmed("logs", f"no log of the board's {len(files)} trainings is there")
    else:
        yield confirmed("logs", f"{len(present) - len(wrong)} of {len(files)} trainings have their log")


def _code(records: Iterator[Record | FloorRecord]) -> Iterator[Finding]:
    """Compare the code that made the records with the code that is installed here."""
    facts = {(each.component, each.sha256): each for record in records for each in record.sources}
    same: list[str] = []
    for each in facts.values():
        here = sources.installed(each.component)
        if here is None:
            yield unconfirmed("code", f"{each.component} is not installed here")
        elif each.sha256 and each.sha256 == here.sha256:
            same.append(each.component)
        else:
            yield unconfirmed("code", f"{each.component}: {_text(each)} made records; here is source {here.sha256[:SHORT]}")
    if same:
        yield confirmed("code", f"{len(same)} components have the code here that made the records: {listed(sorted(same))}")
    if not facts:
        yield unconfirmed("code", "the records do not say which code made them")


def _text(facts: SourceFacts) -> str:
    at = f" at commit {facts.commit}" if facts.commit else ""
    return f"source {facts.sha256[:SHORT] or 'unknown'}{at}"
