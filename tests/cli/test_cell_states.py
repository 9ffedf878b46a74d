"""A line on a cell says its state, its name, and why it is so."""

from harness.cli.cell_states import state_line
from harness.run.states import CellState


def test_states_stand_in_a_column_with_the_reason_behind_the_name(board):
    cell = board.cells[0]
    assert state_line(CellState(cell, "done")) == "  done      net/none/s0"
    assert state_line(CellState(cell, "diverged", "loss is nan")) == "  diverged  net/none/s0   loss is nan"
