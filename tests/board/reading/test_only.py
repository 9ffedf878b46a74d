from board_faults import fault
from board_fixtures import BOARD

from harness.board.reading.load import load_board


def test_filters_of_the_board_are_checked_and_applied(write_board, fake_plugins):
    assert "no base of this board matches 'nett'; did you mean 'net'?" in fault(
        write_board, fake_plugins, "  tune:", "  tune: {only: base=nett}"
    )
    folder = write_board(BOARD.replace("  tune:", "  tune: {only: 'base=net,seed=0,1'}"))
    board = load_board(folder, plugins=fake_plugins)
    assert [cell.name for cell in board.cells if cell.method_name == "tune"] == ["net/tune/s0", "net/tune/s1"]
