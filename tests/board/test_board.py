import pickle

import pytest

from harness.board.filters import parse_filter
from harness.errors import UserError


def test_a_selection_keeps_the_boards_order(board):
    chosen = board.select(parse_filter("method=tune,seed=1", where="--only"))
    assert [cell.name for cell in chosen] == ["net/tune/s1", "chain/tune/s1"]


def test_the_empty_filter_selects_all_cells(board):
    assert tuple(board.select(parse_filter([], where="--only"))) == board.cells


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method=tunes", "--only: no method of this board matches 'tunes'; did you mean 'tune'"),
        ("seed=0-1", "--only: no seed of this board matches '0-1'; write seed=0,1; there are: 0, 1, 2"),
        ("n=50", "--only: no n of this board matches '50'; there are: 100"),
    ],
)
def test_a_selection_that_names_nothing_is_an_error(board, text, message):
    with pytest.raises(UserError) as caught:
        board.select(parse_filter(text, where="--only"))
    assert str(caught.value).startswith(message)


def test_the_error_of_a_selection_begins_with_the_option_that_named_it(board):
    with pytest.raises(UserError, match=r"^--seeds: no seed"):
        board.select(parse_filter("seed=9", where="--seeds"), where="--seeds")


def test_a_board_can_be_sent_to_other_processes(board):
    again = pickle.loads(pickle.dumps(board))
    assert (again.name, again.folder, again.config) == (board.name, board.folder, board.config)
    assert [cell.key for cell in again.cells] == [cell.key for cell in board.cells]
    assert [floor.key for floor in again.floors] == [floor.key for floor in board.floors]
