from board_fixtures import BOARD

from harness.board.reading.load import load_board


def test_a_model_that_lacks_what_a_method_needs_is_skipped_with_the_reason(board):
    reasons = {cell.row.name: cell.skip_reason for cell in board.cells}
    assert reasons.pop("chain/tune") == "chain lacks Likelihood, which tune needs"
    assert set(reasons.values()) == {None}


def test_a_method_that_takes_whole_batches_is_skipped_where_the_board_cuts_them(write_board, fake_plugins):
    text = BOARD.replace("\ntraining: {", "\ntraining: {micro_batch: 2, ")
    assert text != BOARD
    reasons = {cell.skip_reason for cell in load_board(write_board(text), plugins=fake_plugins).cells}
    assert any(reason and "takes whole batches" in reason for reason in reasons)
