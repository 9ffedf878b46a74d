"""Rehearsals: networks at full size without memory, compared with what is published."""

from pathlib import Path

import pytest

from harness.board.reading.load import load_board
from harness.run import rehearsal
from harness.run.needs import Needs
from harness.run.rehearsal import rehearse
from harness.stages.step_cost import NetworkSize

CIFAR10 = Path(__file__).parents[2] / "leaderboards" / "cifar10"


@pytest.fixture(scope="module")
def board():
    return load_board(CIFAR10)


def rehearsed(board):
    needs = Needs(board, board.cells, ())
    assert needs.known_data is not None
    return rehearse(needs.bases, needs.known_data)


def test_published_networks_have_the_published_parameters(board):
    found = rehearsed(board)
    assert found.faults == ()
    assert "edm: the network has 55,733,891 parameters, as published" in found.lines
    assert [line.partition(":")[0] for line in found.lines] == ["edm", "edm-ddo", "edm-neon"]


def test_another_number_of_parameters_than_is_published_is_a_fault(board, monkeypatch):
    monkeypatch.setattr(rehearsal, "network_size", lambda *_: NetworkSize(7, 28))
    assert "base edm: has 7 parameters, and 55,733,891 are published" in rehearsed(board).faults


def test_a_network_that_cannot_be_built_is_a_fault(board, monkeypatch):
    def fails(*_):
        raise ValueError("no such width")

    monkeypatch.setattr(rehearsal, "network_size", fails)
    assert "base edm: the network cannot be built: ValueError: no such width" in rehearsed(board).faults
