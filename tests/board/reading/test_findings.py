"""Claims in findings name rows and columns that the board has."""

import pytest
from board_faults import fault
from board_fixtures import BOARD, DATA_BOARD

from harness.board.reading.load import load_board


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ("{{better net/tuna than net/fit in distance}}", "no row of this board is called 'net/tuna'; did you mean 'net/tune'?"),
        ("{{value net/fit in distances}}", "no column of this board is called 'distances'; did you mean 'distance'?"),
        ("{{greater net/fit in distance}}", "{{greater net/fit in distance}} begins with none of: value, difference,"),
    ],
)
def test_a_claim_on_what_the_board_does_not_have_is_a_fault(write_board, fake_plugins, claim, message):
    found = fault(write_board, fake_plugins, "title: Rings\n", f"title: Rings\nfindings: '{claim}'\n")
    assert found.startswith(f"board.yaml:2: {message}")


def test_rows_that_only_leaves_out_are_not_there(write_board, fake_plugins):
    text = BOARD.replace("  tune:\n", "  tune: {only: base=chain}\n")
    found = fault(write_board, fake_plugins, BOARD, text + "findings: '{{value net/tune in distance}}'\n")
    assert "no row of this board is called 'net/tune'" in found


@pytest.mark.parametrize("smoke", [False, True])
def test_rows_of_every_number_of_samples_are_there_on_a_smoke_board_too(write_board, fake_plugins, smoke):
    text = DATA_BOARD + "findings: '{{value good/none/n200 in distance}} {{value good/none/n100 in distance}}'\n"
    assert load_board(write_board(text), plugins=fake_plugins, smoke=smoke).cells
