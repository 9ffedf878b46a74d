import pytest

from harness.board.load import load_board
from harness.errors import UserError


def test_a_missing_board_names_those_nearby(write_board, fake_plugins):
    folder = write_board()
    with pytest.raises(UserError, match=r"no board there \(no board.yaml\); did you mean .*rings"):
        load_board(folder.with_name("rigns"), plugins=fake_plugins)
