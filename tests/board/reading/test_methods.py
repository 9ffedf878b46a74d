from board_faults import fault, faults_of
from board_fixtures import BOARD


def test_images_that_are_no_whole_steps_are_told_the_nearest(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "\ntraining: {images: 1280}", "\ntraining: {images: 1300}")
    assert found == "board.yaml:10: training: images (1300) is not a multiple of batch (128); nearest: 1280"


def test_a_methods_own_training_is_checked_with_the_boards(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "tune:", "tune: {training: {batches: 3}}")
    assert found.startswith("board.yaml:9: no key is called 'methods.tune.training.batches' here; did you mean 'batch'?")


def test_selection_of_the_best_needs_a_curve(write_board, fake_plugins):
    text = BOARD.replace("\ntraining: {images: 1280}", "\ntraining: {images: 1280, select: best}")
    text = text.replace("curve: {metric: distance, points: 4, samples: 100}\n", "")
    assert any("select: best needs the board to have a `curve`" in line for line in faults_of(write_board(text), fake_plugins))


def test_a_method_under_two_names_is_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "  tune:\n", "  tune:\n  again: {method: {name: tune, rate: 0.1}}\n")
    assert found == "board.yaml:10: 'again' and 'tune' have the same settings: duplicate cells"
