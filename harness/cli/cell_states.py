"""A line on a cell, as `run --dry-run` and `status` print it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.run.states import CellState


def state_line(state: CellState, *, is_running: bool = False) -> str:
    """Return a line on one cell: its state, its name, and the reason where there is one. is_running: a process works on it."""
    word = "running" if is_running and state.needs_a_run else state.state
    return f"  {word:<8}  {state.cell.name}" + (f"   {state.reason}" if state.reason else "")
