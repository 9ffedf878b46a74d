"""How the cells of a board stand, as `run` and `status` show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.run.states import CellState


def summary(states: Sequence[CellState]) -> str:
    """Return the number of cells in each state: `8 cells: 5 done, 2 to run, 1 skipped`."""
    counts = Counter(state.state for state in states)
    parts = [f"{counts[name]} {name}" for name in ("done", "to run", "diverged", "failed", "skipped") if counts[name]]
    return f"{len(states)} cells: {', '.join(parts)}"


def state_line(state: CellState) -> str:
    """Return a line on one cell: its state, its name, and the reason where there is one."""
    return f"  {state.state:<8}  {state.cell.name}" + (f"   {state.reason}" if state.reason else "")


def as_content(state: CellState) -> dict[str, object]:
    """Return the state of a cell for `--json`."""
    return {
        "cell": state.cell.name,
        "state": state.state,
        "reason": state.reason,
        "seconds": state.seconds,
        "key": state.cell.key,
    }
