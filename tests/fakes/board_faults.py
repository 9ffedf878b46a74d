"""What the loader says about boards with faults."""

import pytest
from board_fixtures import BOARD

from harness.board.reading.load import load_board
from harness.errors import UserError


def faults_of(folder, plugins, **options):
    """The faults of a board, without its folder in front."""
    with pytest.raises(UserError) as caught:
        load_board(folder, plugins=plugins, **options)
    return [line.replace(f"{folder}/", "") for line in str(caught.value).splitlines()]


def fault(write_board, fake_plugins, old, new):
    """The one fault of the standard board with a change."""
    assert old in BOARD
    [found] = faults_of(write_board(BOARD.replace(old, new)), fake_plugins)
    return found
