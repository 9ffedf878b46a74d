"""What a record says was done, against the board: rounds whose candidates may end early."""

from dataclasses import replace
from typing import ClassVar

import pytest

from harness.store.records import Costs
from harness.submission.budget import undone
from harness.training.rounds import RoundsConfig


class Rounds(RoundsConfig):
    """Settings of a method whose rounds search one of them."""

    BY_ROUND: ClassVar[frozenset[str]] = frozenset({"beta"})
    beta: float = 0.1


@pytest.fixture
def cell(board):
    """A cell that trains, of whose rounds each tries two candidates."""
    found = next(cell for cell in board.cells if cell.trains and not cell.skip_reason)
    settings = Rounds(rounds=2, reference="best", search_each_round={"beta": (0.1, 0.3)})
    return replace(found, row=replace(found.row, method=replace(found.row.method, settings=settings)))


def faults(cell, make_record, steps):
    costs = Costs(steps=steps, images_seen=steps * cell.training.batch)
    return [fault for fault in undone(cell, make_record(cell, costs=costs)) if fault.startswith("costs")]


def test_candidates_cost_steps_and_one_that_diverged_costs_fewer(cell, make_record):
    asked = cell.training.steps
    for steps in (asked, asked + 1, 2 * asked):
        assert faults(cell, make_record, steps) == []
    for steps in (asked - 1, 2 * asked + 1):
        assert faults(cell, make_record, steps) == [f"costs.steps: {steps}, the board says {asked} to {2 * asked}"]
