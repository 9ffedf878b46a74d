"""A dry run says which cells would run, and how long that may take."""

import pytest

from harness.cli.run_plan import RunPlan
from harness.run.pending_bases import PendingBase
from harness.run.states import CellState


@pytest.fixture
def states(board):
    """Returns the board's cells in the given states, each with the seconds that it took or may take."""
    return lambda *pairs: [
        CellState(cell, state, seconds=seconds) for cell, (state, seconds) in zip(board.cells, pairs, strict=False)
    ]


def test_every_cell_and_every_missing_floor_has_a_line(board, states):
    plan = RunPlan(states(("done", 3.0), ("to run", None)), board.floors[:1], jobs=2)
    assert list(plan.lines()) == [
        "2 cells: 1 done, 1 to run; 1 floor to measure",
        "  done      net/none/s0",
        "  to run    net/none/s1",
        "  to run    floor distance",
        "no estimate: no such cell has run yet",
    ]


def test_floors_are_counted_in_the_plural_and_left_out_where_there_are_none(board, states):
    done = states(("done", 3.0))
    assert next(RunPlan(done, board.floors, jobs=1).lines()) == "1 cell: 1 done; 2 floors to measure"
    assert list(RunPlan(done, [], jobs=1).lines()) == ["1 cell: 1 done", "  done      net/none/s0"]


def test_cells_that_failed_run_again(states):
    plan = RunPlan(states(("failed", 1.0), ("diverged", 1.0), ("skipped", None), ("to run", 1.0)), [], jobs=1)
    assert [state.cell.name for state in plan.waiting] == ["net/none/s0", "net/fit/s0"]


@pytest.mark.parametrize(
    ("jobs", "time"),
    [
        (1, "8 min"),  # two cells of 100 and 140 s, and two that nothing is known of, taken to be like them
        (2, "4 min"),
        (100, "2 min"),  # no more jobs at once than cells
    ],
)
def test_the_estimate_is_what_such_cells_took_over_the_jobs(board, states, jobs, time):
    waiting = states(("to run", 100.0), ("failed", 140.0), ("to run", None), ("to run", None), ("done", 9e9))
    named = "1 job" if jobs == 1 else f"{jobs} jobs"
    assert list(RunPlan(waiting, [], jobs).lines())[-1].startswith(f"about {time} with {named}, by what such cells took")


def test_floors_come_on_top_of_the_estimate(board, states):
    waiting = states(("to run", 100.0))
    assert list(RunPlan(waiting, board.floors, jobs=1).lines())[-1].endswith("took before; floors come on top")
    assert list(RunPlan(waiting, [], jobs=1).lines())[-1].endswith("took before")


def test_bases_that_are_to_be_trained_are_named_and_part_of_the_estimate(board, states):
    """On digits the estimate was 27 minutes, and of the 69 that the run took 39 were pretraining."""
    waiting = states(("to run", 100.0), ("to run", 140.0))
    net, chain = {cell.base.name: cell.base for cell in board.cells}.values()
    known, unknown = PendingBase(net, 300.0), PendingBase(chain, None)
    lines = list(RunPlan(waiting, board.floors, 2, [known, unknown]).lines())
    assert lines[0] == "2 cells: 2 to run; 2 bases to train; 2 floors to measure"
    assert lines[3:5] == ["  to train  base net", "  to train  base chain"]
    such = "by what such cells and bases took before; the pretraining of bases and floors come on top"
    assert lines[-1] == f"about 4 min with 2 jobs, {such}"
    (*_, last) = RunPlan(waiting, [], 2, [unknown]).lines()
    assert last == "about 2 min with 2 jobs, by what such cells took before; the pretraining of bases comes on top"
    (*_, last) = RunPlan(waiting, [], 2, [known]).lines()
    assert last == "about 4 min with 2 jobs, by what such cells and bases took before"
