"""What a smoke run makes of a board."""

import pytest

from harness.board.reading import smoke
from harness.board.reading.load import load_board
from harness.board.schema import BoardConfig, CurveConfig
from harness.training.config import TrainingConfig


def config(**changes):
    return BoardConfig.model_validate({
        "title": "Rings", "dataset": "ring", "bases": {"net": {"data": "ring"}}, "methods": {"none": None},
        "metrics": {"w2": None}, **changes,
    })  # fmt: skip


def test_a_smoke_board_is_small_and_shares_no_key(write_board, fake_plugins):
    small = load_board(write_board(), smoke=True, plugins=fake_plugins)
    assert {cell.seed for cell in small.cells} == {0}
    assert small.cells[0].evaluation.samples == 64
    assert small.cells[1].training.steps == 8
    real = load_board(write_board(), plugins=fake_plugins)
    assert not {cell.key for cell in small.cells if cell.skip_reason is None} & {cell.key for cell in real.cells}


@pytest.mark.parametrize(("images", "steps"), [(12_800, 8), (256, 2), (1024, 8)])
def test_a_budget_keeps_its_batch_and_has_few_steps(images, steps):
    small = smoke.training(config(), TrainingConfig(images=images, ema=0.9))
    assert (small.steps, small.batch, small.ema) == (steps, 128, 0.9)


def test_the_board_may_give_smoke_runs_a_smaller_batch():
    board = config(smoke={"batch": 16})
    small = smoke.training(board, TrainingConfig(images=12_800, micro_batch=64))
    assert (small.steps, small.batch, small.micro_batch, small.images) == (8, 16, 16, 128)
    assert smoke.training(board, TrainingConfig(images=12_800, batch=8)).batch == 8


def test_the_board_says_how_many_steps_samples_and_seeds(write_board, fake_plugins):
    board = config(smoke={"steps": 3, "samples": 16, "seeds": 2})
    assert smoke.training(board, TrainingConfig(images=12_800)).steps == 3
    assert smoke.evaluation(board).samples == 16
    text = write_board().joinpath("board.yaml").read_text() + "smoke: {seeds: 2}\n"
    assert {cell.seed for cell in load_board(write_board(text), smoke=True, plugins=fake_plugins).cells} == {0, 1}


@pytest.mark.parametrize(
    ("evaluation", "samples", "draws"),
    [
        ({"samples": 10_000, "draws": 5}, 64, 2),
        ({"samples": 10, "draws": 1}, 10, 1),
        ({"sizes": [10_000, 50, 500]}, 50, 1),
    ],
)
def test_an_evaluation_is_of_few_samples_and_two_draws_at_most(evaluation, samples, draws):
    small = smoke.evaluation(config(evaluation={**evaluation, "batch": 7}))
    assert (small.samples, small.draws, small.batch) == (samples, draws, 7)


def test_a_curve_has_two_points_and_no_more_samples_than_the_evaluation():
    full = CurveConfig(metric="w2", points=10, samples=5_000)
    small = smoke.curve(config(), full)
    assert (small.metric, small.points, small.samples) == ("w2", 2, 64)
    assert smoke.curve(config(), CurveConfig(metric="w2", points=1, samples=8)).samples == 8
    assert smoke.curve(config(), CurveConfig(metric="w2", points=1, samples=8)).points == 1
    assert small.points_in_round is None
    assert smoke.curve(config(), CurveConfig(metric="w2", points_in_round=5)).points_in_round == 2


def test_components_shrink_as_their_plugins_say_and_remember_the_boards_settings(grids):
    (base,) = grids(("model: unet", "model: {name: unet, width: 99}"), smoke=True).bases
    assert base.network.model.settings.width == 2
    assert base.network.model.full.width == 99
    (base,) = grids().bases
    assert (base.network.model.settings.width, base.network.model.full) == (16, None)


def test_the_boards_own_network_must_fit_the_data_in_a_smoke_run_too(grid_faults):
    (found,) = grid_faults(("model: unet", "model: {name: unet, levels: 5}"), smoke=True)
    assert found == "board.yaml:4: 5 levels do not divide 8"
