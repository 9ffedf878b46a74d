"""Numbers of held-out examples that datasets say without being read."""

import pytest
from board_faults import faults_of
from board_fixtures import BOARD, DATA_BOARD

from harness.board.reading.load import load_board
from harness.components import Dataset

SAMPLES = "{samples: 100, draws: 2}"


@pytest.fixture
def held_out(monkeypatch):
    """Has every dataset declare this number of held-out examples."""
    return lambda number: monkeypatch.setattr(Dataset, "known_held_out", lambda *_: number)


def test_more_samples_than_a_draw_has_examples_are_a_fault_with_their_line(write_board, fake_plugins, held_out):
    held_out(199)
    line = BOARD[: BOARD.index(SAMPLES)].count("\n") + 1
    (found,) = faults_of(write_board(BOARD), fake_plugins)
    said = "dataset ring gives 99 held-out examples a draw at most, and 100 are asked for: lower evaluation.samples or sizes"
    assert found.partition("board.yaml:")[2] == f"{line}: {said}"
    held_out(200)
    assert load_board(write_board(BOARD), plugins=fake_plugins).cells


@pytest.mark.parametrize("number", [0, None])
def test_datasets_without_a_limit_or_a_number_have_no_fault(write_board, fake_plugins, held_out, number):
    held_out(number)
    assert load_board(write_board(BOARD), plugins=fake_plugins).cells


def test_the_largest_of_several_sizes_and_examples_in_the_place_of_a_model_count(write_board, fake_plugins, held_out):
    held_out(250)
    (found,) = faults_of(write_board(DATA_BOARD), fake_plugins)
    assert "gives 125 held-out examples a draw at most, and 200 are asked for" in found


def test_columns_that_draw_no_held_out_examples_ask_for_none(write_board, fake_plugins, held_out):
    held_out(2)
    text = BOARD.replace("  distance: {", "  distance: {against: selection, ").replace(
        "  likeness: {", "  likeness: {against: selection, "
    )
    assert text.count("against: selection") == 2
    assert load_board(write_board(text), plugins=fake_plugins).cells
