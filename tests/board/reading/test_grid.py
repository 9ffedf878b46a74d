import pytest
from board_faults import fault


def test_a_board_has_a_cell_for_each_base_method_and_seed(board):
    assert [cell.name for cell in board.cells[:4]] == ["net/none/s0", "net/none/s1", "net/none/s2", "net/fit/s0"]
    assert len(board.cells) == 2 * 3 * 3
    assert [floor.column.name for floor in board.floors] == ["distance", "likeness"]


def test_a_seed_that_is_given_twice_is_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "[0, 1, 2]", "[0, 1, 0]")
    assert found == "board.yaml:11: seed 0 is given twice: its cells would be duplicates"


@pytest.mark.parametrize("seeds", ["[true]", "[1000000]", "[-1]", "[0.5]"])
def test_seeds_are_whole_numbers_below_those_of_the_floor(write_board, fake_plugins, seeds):
    assert fault(write_board, fake_plugins, "seeds: [0, 1, 2]", f"seeds: {seeds}").startswith("board.yaml:")
