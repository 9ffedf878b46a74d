from board_faults import fault


def test_a_curve_of_an_unknown_metric_names_the_boards(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{metric: distance, p", "{metric: distances, p")
    assert "no metric of this board is called 'distances'; did you mean 'distance'? there are: distance, lik" in found


def test_more_draws_than_the_evaluation_has_are_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{digits: 3}", "{digits: 3, draws: 9}")
    assert found == "board.yaml:16: draws (9) is above evaluation.draws (2)"
