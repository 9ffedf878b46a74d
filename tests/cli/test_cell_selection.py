"""--only and --seeds choose cells; what the board does not have is told with what it has."""

import pytest

from harness import UserError
from harness.cli.cell_selection import selected_cells


def names(board, *only, seeds=None):
    return [cell.name for cell in selected_cells(board, only, seeds)]


def test_without_a_filter_all_cells_are_chosen(board):
    assert names(board) == [cell.name for cell in board.cells]


def test_filters_and_seeds_must_all_hold(board):
    assert names(board, "method=fit", seeds="0,2") == ["net/fit/s0", "net/fit/s2", "chain/fit/s0", "chain/fit/s2"]
    assert names(board, "method=fit,tune", "base!=chain", seeds="1") == ["net/fit/s1", "net/tune/s1"]
    assert names(board, "base=net,method=none", seeds=" 0 , 1 ") == ["net/none/s0", "net/none/s1"]


def test_seeds_may_hold_a_star(board):
    assert names(board, "base=net,method=none", seeds="*") == ["net/none/s0", "net/none/s1", "net/none/s2"]


@pytest.mark.parametrize(
    ("only", "seeds", "message"),
    [
        (["method=tun"], None, "--only: no method of this board matches 'tun'; did you mean 'tune'?"),
        (["metod=tune"], None, "did you mean 'method'?"),
        (["method=tune,base!=net,chain"], None, "--only: no cell of this board matches all of it"),
        ([], "0,7", "--seeds: no seed of this board matches '7'; there are: 0, 1, 2"),
        (["method=none"], "7", "no seed of this board matches '7'"),
        ([], "0-1", "--seeds 0-1: write seeds with commas between them, without ranges: --seeds 0,1"),
        ([], "5-9", "--seeds 5-9: write seeds with commas between them, without ranges: --seeds "),
        ([], "one", "without ranges: --seeds 0,1,2"),
        ([], "0,method=tune", "without ranges: --seeds 0,1,2"),
        ([], "", "without ranges: --seeds 0,1,2"),
    ],
)
def test_what_the_board_does_not_have_is_one_message(board, only, seeds, message):
    with pytest.raises(UserError) as caught:
        names(board, *only, seeds=seeds)
    assert message in str(caught.value)
