"""Energy and memory of a card over all processes that worked on a cell: each notes what it took, for the next one to add."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.board.cells import Cell
from harness.process import card_meter
from harness.process.card_meter import Usage
from harness.stages.context import Context
from harness.store.files import write_text
from harness.store.runs_folder import RunsFolder

NOTHING = Usage(0.0, 0)


@dataclass
class CellUsage:
    """What a cell has taken of the card; None where a process worked on it that could not, or did not, measure."""

    total: Usage = Usage(None, None)


@contextmanager
def measured(cell: Cell, context: Context, *, begins_here: bool) -> Iterator[CellUsage]:
    """Measure the card during the block, and add what earlier processes took for the cell.

    Args:
        begins_here: whether no earlier process has worked on the cell.
    """
    path, usage = usage_file(cell, context.runs), CellUsage()
    before = NOTHING if begins_here else _noted(path)

    def note(now: Usage) -> None:
        write_text(path, json.dumps([(before + now).energy_wh, (before + now).memory_bytes]))

    meter = card_meter.start(context.device.type, note)
    if meter is None:
        path.unlink(missing_ok=True)  # what this process takes is not known
        yield usage
        return
    try:
        yield usage
    finally:
        now = meter.stop()
        note(now)
        usage.total = before + now


def usage_file(cell: Cell, runs: RunsFolder) -> Path:
    """Return the file that holds what a cell has taken of the card so far. It goes when the cell has its record."""
    return runs.work("card", cell.key) / "usage.json"


def _noted(path: Path) -> Usage:
    """Return what earlier processes noted; unknown where there is no note that can be read."""
    try:
        energy_wh, memory_bytes = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return Usage(None, None)
    return Usage(energy_wh, memory_bytes)
