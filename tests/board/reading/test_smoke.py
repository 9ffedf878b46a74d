from harness.board.reading.load import load_board


def test_a_smoke_board_is_small_and_shares_no_key(write_board, fake_plugins):
    smoke = load_board(write_board(), smoke=True, plugins=fake_plugins)
    assert {cell.seed for cell in smoke.cells} == {0}
    assert smoke.cells[0].evaluation.samples == 64
    assert smoke.cells[1].training.steps == 8
    real = load_board(write_board(), plugins=fake_plugins)
    assert not {cell.key for cell in smoke.cells if cell.skip_reason is None} & {cell.key for cell in real.cells}
