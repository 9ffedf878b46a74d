"""Methods of a board and their budgets."""

import pytest
from board_faults import fault, faults_of
from board_fixtures import BOARD

from harness.board.reading.load import load_board
from harness.plugins import registry
from harness.training.rounds import rounds_of


def test_images_that_are_no_whole_steps_are_told_the_nearest(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "\ntraining: {images: 1280}", "\ntraining: {images: 1300}")
    assert found == "board.yaml:10: training: images (1300) is not a multiple of batch (128); nearest: 1280"


def test_a_methods_own_training_is_checked_with_the_boards(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "tune:", "tune: {training: {batches: 3}}")
    assert found.startswith("board.yaml:9: no key is called 'methods.tune.training.batches' here; did you mean 'batch'?")


SELF_PLAY = """
title: t
description: d
dataset: swiss-roll
bases:
  net: {model: ddpm-mlp, pretrain: {method: mle, training: {images: 1280}}}
training: {images: 1280, batch: 128}
methods:
  ddo: {method: {name: ddo, %s}}
metrics: {sliced-w2: {}}
"""
CURVE = "curve: {metric: sliced-w2, points: 4, samples: 100}"


@pytest.mark.parametrize(("settings", "curve", "text"), [
    ("rounds: 2, reference: best", "", "ddo: reference: best needs the board to have a `curve`, by which it chooses"),
    ("reference: best, search_each_round: {beta: [0.1, 1.0]}", CURVE, "ddo: search_each_round needs `training: {select: best}`"),
    ("rounds: 2, reference_weights: raw", "", "reference_weights: raw changes nothing where the training keeps no averages"),
    ("rounds: 11", "", "ddo: 11 rounds are more than the 10 steps of the budget"),
    ("p_std: {1: 1.6, 3: 3.0}, rounds: 2, alpha: [1, 2, 4]", "", "alpha has 3 values for 2 rounds"),
])  # fmt: skip
def test_rounds_that_the_board_cannot_run_are_refused_in_one_line(write_board, settings, curve, text):
    (found,) = faults_of(write_board(SELF_PLAY % settings + curve), registry())
    assert text in found
    assert found.startswith("board.yaml:9: ")


def test_four_rounds_of_self_play_are_four_lines_of_settings(write_board):
    settings = "rounds: 4, reference: best, p_std: {1: 1.6, 3: 3.0}, beta: [0.1, 0.3], weight: edm"
    text = (SELF_PLAY % settings + CURVE).replace("ddpm-mlp", "edm-mlp")
    board = load_board(write_board(text), plugins=registry())
    assert rounds_of(board.cells[0].method.settings).rounds == 4


def test_raw_weights_of_a_reference_are_another_method_beside_averages(write_board):
    text = SELF_PLAY % "rounds: 2, reference_weights: {grid: [raw, averaged]}"
    text = text.replace("batch: 128}", "batch: 128, ema: 0.9}")
    keys = {rounds_of(cell.method.settings).reference_weights for cell in load_board(write_board(text), plugins=registry()).cells}
    assert keys == {"raw", "averaged"}


def test_selection_of_the_best_needs_a_curve(write_board, fake_plugins):
    text = BOARD.replace("\ntraining: {images: 1280}", "\ntraining: {images: 1280, select: best}")
    text = text.replace("curve: {metric: distance, points: 4, samples: 100}\n", "")
    assert any("select: best needs the board to have a `curve`" in line for line in faults_of(write_board(text), fake_plugins))


def test_a_method_under_two_names_is_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "  tune:\n", "  tune:\n  again: {method: {name: tune, rate: 0.1}}\n")
    assert found == "board.yaml:10: 'again' and 'tune' have the same settings: duplicate cells"


def test_two_methods_of_one_label_on_one_base_are_a_fault_since_no_table_could_tell_them_apart(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "  tune:\n", "  tune:\n  fast: {label: tune, method: {name: tune, rate: 1}}\n")
    assert found == "board.yaml:10: 'fast' and 'tune' are both called 'tune' on 'net'; give one of them another `label`"


def trainings(write_board, fake_plugins, text, **options):
    board = load_board(write_board(text), plugins=fake_plugins, **options)
    return {cell.method_name: cell.training for cell in board.cells}


def test_a_method_is_the_one_called_as_its_key_unless_it_names_another(write_board, fake_plugins):
    text = BOARD.replace("  tune:\n", "  tune:\n  fast: {method: {name: tune, rate: 1}}\n")
    methods = {cell.method_name: cell.method for cell in load_board(write_board(text), plugins=fake_plugins).cells}
    described = {name: (methods[name].name, methods[name].settings.identity) for name in ("tune", "fast")}
    assert described == {"tune": ("tune", {"rate": 0.1}), "fast": ("tune", {"rate": 1.0})}


def test_a_methods_own_training_replaces_keys_of_the_boards(write_board, fake_plugins):
    text = BOARD.replace("  tune:\n", "  tune: {training: {images: 2560}}\n").replace(
        "{images: 1280}\ns", "{images: 1280, ema: 0.9}\ns"
    )
    budgets = trainings(write_board, fake_plugins, text)
    assert (budgets["fit"].images, budgets["fit"].ema) == (1280, 0.9)
    assert (budgets["tune"].images, budgets["tune"].ema) == (2560, 0.9)


@pytest.mark.parametrize(("settings", "first", "second", "idle"), [
    ("rate: 0.01, optimizer: {lr: {grid: [0.1, 0.2]}}", "lr=0.1", "lr=0.2", "optimizer.lr changes"),
    ("fakes: online, bank_size: {grid: [100, 200]}", "bank_size=100", "bank_size=200", "bank_size changes"),
    ("reference: {grid: [best, last]}", "reference=best", "reference=last", "reference changes"),
    ("beta: {grid: [1, 2]}, rounds: 2, reference: best, search_each_round: {beta: [0.1, 1]}", "beta=1", "beta=2", "beta changes"),
])  # fmt: skip
def test_points_that_differ_in_settings_without_effect_are_a_fault(write_board, settings, first, second, idle):
    """Both were trained, and the page named a rate that no step had."""
    text = (SELF_PLAY % settings + CURVE).replace(
        "training: {images: 1280, batch: 128}", "training: {images: 1280, select: best}"
    )
    (found,) = faults_of(write_board(text), registry())
    assert found == (
        f"board.yaml:9: 'ddo[{second}]' and 'ddo[{first}]' have the same settings: duplicate cells; "
        f"{idle} nothing beside the other settings"
    )


def test_two_methods_with_other_budgets_are_two(write_board, fake_plugins):
    text = BOARD.replace("  tune:\n", "  tune:\n  long: {method: tune, training: {images: 2560}}\n")
    assert trainings(write_board, fake_plugins, text)["long"].images == 2560


def test_a_smoke_run_makes_two_methods_alike_and_keeps_both(write_board, fake_plugins):
    text = BOARD.replace("  tune:\n", "  tune:\n  long: {method: tune, training: {images: 2560}}\n")
    cells = {cell.name: cell for cell in load_board(write_board(text), plugins=fake_plugins, smoke=True).cells}
    tune, long = cells["net/tune/s0"], cells["net/long/s0"]
    assert tune.training == long.training
    assert tune.key == long.key
    (found,) = faults_of(write_board(text.replace("2560", "1280")), fake_plugins, smoke=True)
    assert found.endswith("'long' and 'tune' have the same settings: duplicate cells")


def test_the_budget_of_a_method_that_does_not_train_makes_no_other_method(write_board, fake_plugins):
    text = BOARD.replace("  tune:\n", "  tune:\n  still: {method: none, training: {images: 2560}}\n")
    (found,) = faults_of(write_board(text), fake_plugins)
    assert found.endswith("'still' and 'none' have the same settings: duplicate cells")


def test_two_methods_on_other_bases_are_two(write_board, fake_plugins):
    text = BOARD.replace("  tune:\n", "  tune: {only: base=net}\n  again: {method: tune, only: base=chain}\n")
    assert {"tune", "again"} <= set(trainings(write_board, fake_plugins, text))


def test_a_board_whose_methods_do_not_train_needs_no_budget(write_board, fake_plugins):
    text = BOARD.replace("  fit: {label: more of it, note: the control}\n  tune:\ntraining: {images: 1280}\n", "")
    assert set(trainings(write_board, fake_plugins, text)) == {"none"}


def test_a_method_that_trains_needs_a_budget(write_board, fake_plugins):
    found = faults_of(write_board(BOARD.replace("\ntraining: {images: 1280}", "")), fake_plugins)
    assert found == [
        "board.yaml:8: 'training' of the board is missing: fit trains",
        "board.yaml:9: 'training' of the board is missing: tune trains",
    ]


def test_a_smoke_run_trains_for_a_few_steps(write_board, fake_plugins):
    assert trainings(write_board, fake_plugins, BOARD, smoke=True)["fit"].steps == 8


def test_the_label_is_the_key_unless_the_board_names_one(board):
    labels = {cell.method_name: cell.method_label for cell in board.cells}
    assert labels == {"none": "base", "fit": "more of it", "tune": "tune"}


def test_a_control_that_the_board_does_not_have_is_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "methods:\n", "control: [fit, tuna]\nmethods:\n")
    assert found == "board.yaml:6: no method of this board is called 'tuna'; did you mean 'tune'? there are: none, fit, tune"


@pytest.mark.parametrize(
    ("control", "message"),
    [
        ("[fit, fit]", "control names 'fit' twice"),
        ("none", "control: none does not train: it is the base, from which the page takes each row's difference anyway"),
        ("[fit, none]", "control: none does not train"),
    ],
)
def test_a_control_that_compares_nothing_new_is_a_fault(write_board, fake_plugins, control, message):
    found = fault(write_board, fake_plugins, "methods:\n", f"control: {control}\nmethods:\n")
    assert found.startswith(f"board.yaml:6: {message}")


def test_a_board_may_have_no_control(write_board, fake_plugins):
    text = BOARD.replace("methods:\n", "control: []\nmethods:\n")
    assert load_board(write_board(text), plugins=fake_plugins).config.control == []


def test_the_control_may_be_one_name_and_is_mle_by_default(write_board, fake_plugins):
    assert load_board(write_board(BOARD), plugins=fake_plugins).config.control == ["mle"]
    text = BOARD.replace("methods:\n", "control: fit\nmethods:\n")
    assert load_board(write_board(text), plugins=fake_plugins).config.control == ["fit"]
