import pytest

from harness.board.filters import parse_filter
from harness.errors import UserError


def test_a_selection_that_names_nothing_is_an_error(board):
    with pytest.raises(UserError, match="no method of this board matches 'tunes'; did you mean 'tune'"):
        board.select(parse_filter("method=tunes", where="--only"))
    assert [cell.name for cell in board.select(parse_filter("method=tune,seed=1", where="--only"))] == [
        "net/tune/s1",
        "chain/tune/s1",
    ]
