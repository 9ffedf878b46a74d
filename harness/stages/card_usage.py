"""Energy and memory of a card over all processes that worked on a cell: each notes what it took, for the next one to add.

Imports no torch.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.board.cells import Cell
from harness.process import card_meter
from harness.process.card_meter import Usage
from harness.store.files import write_text
from harness.store.runs_folder import RunsFolder

if TYPE_CHECKING:
    from harness.stages.context import Context

NOTHING, UNKNOWN = Usage(0.0, 0), Usage(None, None)


@dataclass
class CellUsage:
    """The energy and memory of a cell; None where a process worked on it that could not, or did not, measure."""

    total: Usage = UNKNOWN


@contextmanager
def measured(cell: Cell, context: Context, *, begins_here: bool) -> Iterator[CellUsage]:
    """Measure the card during the block, and add what earlier processes took for the cell: their note says it.

    Args:
        begins_here: whether no earlier process has left any work on the cell. What such a process took is not known where there
            is no note.
    """
    path, usage = usage_file(cell, context.runs), CellUsage()
    before = _noted(path, NOTHING if begins_here else UNKNOWN)

    def note(now: Usage) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(before.plus(now)))

    meter = card_meter.start(context.device.type, note)
    if meter is None:
        forget(cell, context.runs)  # what this process takes is not known
        yield usage
        return
    try:
        yield usage
    finally:
        now = meter.stop()
        usage.total = before.plus(now)
        with suppress(Exception):  # of a full disk, the work of the block has a message of its own
            note(now)


def forget(cell: Cell, runs: RunsFolder) -> None:
    """Remove the note of a cell that has its record, or that is made anew."""
    shutil.rmtree(runs.work("card", cell.key), ignore_errors=True)


def usage_file(cell: Cell, runs: RunsFolder) -> Path:
    """Return the file that holds what a cell has taken of the card so far."""
    return runs.work("card", cell.key) / "usage.json"


def _noted(path: Path, default: Usage) -> Usage:
    """Return what earlier processes noted; unknown where the note cannot be read. default: where there is no note."""
    try:
        energy_wh, memory_bytes = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default
    except (OSError, ValueError, TypeError):
        return UNKNOWN
    return Usage(energy_wh, memory_bytes)
