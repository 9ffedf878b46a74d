from board_fixtures import BOARD

from harness.board.reading.load import load_board
from harness.run.shared_bases import shared_bases


def test_a_training_that_several_names_share_has_the_first_name_whichever_cells_are_chosen(write_board, fake_plugins):
    """A run of the twin alone trained a base of that name, and `cancel` of the board asked for the other."""
    board = load_board(
        write_board(BOARD.replace("  chain: {label: Chain, model: chain", "  twin: {label: Twin, model: net")),
        plugins=fake_plugins,
    )
    twins = [cell for cell in board.cells if cell.base.name == "twin"]
    assert [base.name for base in shared_bases(board, twins)] == ["net"]
    assert [base.name for base in shared_bases(board, board.cells)] == ["net"]


def test_bases_that_share_nothing_stand_in_the_order_of_their_cells(board):
    assert [base.name for base in shared_bases(board, reversed(board.cells))] == ["chain", "net"]
