"""Measure some cells again from their own sample sets, which lie in a runs folder. Imports torch."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.board.board import Board
from harness.board.cells import Cell
from harness.errors import Diverged, Interrupted, UserError, in_one_line
from harness.stages import metrics
from harness.stages.context import Context
from harness.stages.options import JobOptions
from harness.store.board_folder import BoardFolder
from harness.store.outputs import Output
from harness.store.record_names import RecordName
from harness.store.records import Record, load_record
from harness.store.runs_folder import RunsFolder
from harness.submission.closeness import TOLERANCE, in_words, largest_difference
from harness.submission.findings import RECOMPUTED as CHECK
from harness.submission.findings import Finding, confirmed, contradicted, unconfirmed
from harness.submission.own_samples import own_samples


def done_cells(board: Board) -> list[tuple[Cell, Record]]:
    """Return the cells that have a current published record of a result, with it."""
    found = []
    for cell in board.cells:
        path = BoardFolder(board.folder).record(RecordName("cell", cell.name))
        try:
            record = load_record(path)
        except UserError:
            continue  # the checks of records have named it
        if record.status == "done" and record.key == cell.key:
            found.append((cell, record))
    return found


def recompute(board: Board, runs: RunsFolder, count: int, *, seed: int, device: str) -> Iterator[Finding]:
    """Yield a finding for each of some cells, whose columns are measured again from the samples that the runs folder holds.

    Args:
        count: how many cells, chosen at random by the seed.
    """
    cells = done_cells(board)
    for cell, record in random.Random(seed).sample(cells, min(count, len(cells))):
        try:
            found = own_samples(board, cell, record, runs)
            yield found if isinstance(found, Finding) else _recomputed(cell, record, found, device)
        except Interrupted:
            raise
        except (UserError, Diverged) as error:
            yield unconfirmed(CHECK, f"{cell.name}: {error}")
        except Exception as error:  # a plugin may raise anything, and the other cells are measured
            yield unconfirmed(CHECK, f"{cell.name}: {in_one_line(error)}")
    if not cells:
        yield unconfirmed(CHECK, "no cell has a current record of a result")


def _recomputed(cell: Cell, record: Record, samples: Output, device: str) -> Finding:
    with TemporaryDirectory() as folder:  # where no measured pair is stored
        context = Context(RunsFolder(Path(folder)), JobOptions(device, board=cell.board), f"verify {cell.name}")
        try:
            measured = metrics.run(cell, samples, context.dataset(cell.base.dataset), context)
        finally:
            context.reporter.end()
    for name, again in measured.items():
        pairs = list(zip(record.metrics[name].values, again.measured.values, strict=True))
        if (difference := largest_difference(pairs)) > TOLERANCE:
            stated, found = max(pairs, key=lambda pair: abs(pair[0] - pair[1]))
            return contradicted(CHECK, f"{cell.name}: {name} is {found:.6g} again, the record says {stated:.6g}")
    values = [
        pair for name, again in measured.items() for pair in zip(record.metrics[name].values, again.measured.values, strict=True)
    ]
    difference = largest_difference(values)
    counts = f"{_count(len(values), 'value')} of {_count(len(measured), 'column')}"
    return confirmed(CHECK, f"{cell.name}: {counts}, {in_words(difference)}")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
