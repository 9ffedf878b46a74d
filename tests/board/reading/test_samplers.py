from board_faults import fault


def test_a_sampler_that_cannot_drive_the_model_is_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{label: Net,", "{label: Net, sampler: walk,")
    assert found == "board.yaml:4: net lacks Transitions, which the sampler walk needs"
