"""A board of fakes with a search, and trials that nothing trains: the value of a cell is a function of its settings."""

from __future__ import annotations

import contextlib
import math
from importlib.metadata import EntryPoint

import pytest
from board_fixtures import BOARD, fake_record

from harness.board.reading.studies import load_studies
from harness.plugins import Registry
from harness.run.searching.found import found, write_chosen
from harness.run.states import CellState, State
from harness.store.records import CurvePoint

SEARCH = """\
search:
  weights:
    method: tune
    bases: net
    space:
      strength: {low: 0.01, high: 100, log: true}
      optimizer.lr: {low: 0.1, high: 0.9}
      bank: {low: 1, high: 20}
    seeds: [100, 101]
    trials: 12
    chosen: searched/tune.yaml
"""
TUNE = "  tune: {label: Tune, method: {name: weigh, critic: {lr: 0.2}}}\n"
SEARCH_BOARD = BOARD.replace("  tune:\n", TUNE).replace("images: 1280}\nseeds", "images: 5760}\nseeds") + SEARCH


def plugins():
    return Registry([EntryPoint(name, name, "harness") for name in ("harness_fake", "harness_fake_settings")])


@pytest.fixture
def studies(write_board):
    """Loads the studies of a board, by default of one search on one base."""
    return lambda text=SEARCH_BOARD, *only, **options: load_studies(write_board(text), only, plugins=plugins(), **options)


@pytest.fixture
def study(studies):
    return studies()[0]


class Trained:
    """Runs the cells of trials without training: their curve ends near 1 where strength is near 1 and lr near 0.5.

    Attributes:
        boards: the names of the trials of each board that ran.
        ends: the state of the cells of trials whose name has this text: `{"strength=0.5": "diverged"}`.
    """

    def __init__(self):
        self.boards: list[list[str]] = []
        self.ends: dict[str, State] = {}

    def __call__(self, boards):
        states = None
        with contextlib.suppress(StopIteration):
            while True:
                states = self.run(boards.send(states))

    def run(self, board):
        self.boards.append(list(dict.fromkeys(cell.method_name for cell in board.cells)))
        return [self.state(cell) for cell in board.cells]

    def state(self, cell):
        state: State = next((end for text, end in self.ends.items() if text in cell.method_name), "done")
        settings = cell.method.settings
        value = 1 + math.log10(settings.strength) ** 2 + (settings.optimizer.lr - 0.5) ** 2 + 0.001 * cell.seed
        curve = [CurvePoint(images=images, value=value + 1 - images) for images in (0, 1)]
        return CellState(cell, state, "a reason", fake_record(cell, curve=curve, status=state))


@pytest.fixture
def trained():
    return Trained()


def written(study, trials, runs):
    """Write the file of chosen settings of these trials; returns what a board takes from it."""
    facts = found(study, trials, runs)
    assert facts is not None
    return write_chosen(study, facts)
