"""Rehearsals: networks at full size without memory, compared with what is published, and the memory of steps."""

from pathlib import Path

import pytest

from harness.board.reading.load import load_board
from harness.run import rehearsal
from harness.run.needs import Needs
from harness.run.rehearsal import rehearse, step_text
from harness.stages.step_memory import StepMemory
from harness.training.config import TrainingConfig

CIFAR10 = Path(__file__).parents[2] / "leaderboards" / "cifar10"


@pytest.fixture(scope="module")
def board():
    return load_board(CIFAR10)


def rehearsed(board):
    needs = Needs(board, board.cells, ())
    assert needs.known_data is not None
    return rehearse(board.cells, needs.bases, needs.known_data)


def test_published_networks_have_the_published_parameters_and_each_method_its_step(board):
    found = rehearsed(board)
    assert found.faults == ()
    assert "edm: the network has 55,733,891 parameters, as published" in found.lines
    assert [line.partition(":")[0] for line in found.lines] == [
        "edm", "edm/mle", "edm/mle-matched", "edm/ddo-1", "edm/ddo", "edm/neon", "edm-ddo", "edm-neon"
    ]  # fmt: skip


def test_another_number_of_parameters_than_is_published_is_a_fault(board, monkeypatch):
    monkeypatch.setattr(rehearsal, "step_memory", lambda *_: StepMemory(7, 28, 4))
    assert "base edm: has 7 parameters, and 55,733,891 are published" in rehearsed(board).faults


def test_a_network_that_cannot_be_built_is_a_fault(board, monkeypatch):
    def fails(*_):
        raise ValueError("no such width")

    monkeypatch.setattr(rehearsal, "step_memory", fails)
    assert "base edm: the network cannot be built: ValueError: no such width" in rehearsed(board).faults


def test_a_step_takes_weights_gradients_adam_the_average_and_activations():
    memory = StepMemory(2**28, 2**30, 2**20)  # a GiB of weights
    plain = step_text(memory, TrainingConfig(images=2048, batch=2048))
    assert "weights, gradients, Adam and average 4.0 GiB; activations of 2,048 examples 2.0 GiB" in plain
    small = step_text(memory, TrainingConfig(images=2048, batch=2048, micro_batch=1024, ema=0.9))
    assert "at least 6.0 GiB in all" in small
    unknown = step_text(StepMemory(2**28, 2**30, None, "no value"), TrainingConfig(images=256))
    assert unknown.endswith("activations not known (no value)")
