from dataclasses import replace

import pytest

from harness.config import Config
from harness.inner_components import InnerSampler
from harness.report.phrases import budget, component, full_component, listed, seed_ranges, where_only
from harness.training.config import PowerFunctionEMA, TrainingConfig
from harness.training.optimizer import OptimizerConfig


class Settings(Config):
    by_part: dict[str, object]


class WithOptimizer(Config):
    optimizer: OptimizerConfig = OptimizerConfig(name="sgd")
    is_fast: bool = False


class Guided(Config):
    sampler: InnerSampler
    weight: float = 2.0


def training(**fields):
    return TrainingConfig(images=300_032, batch=128, **fields)


def test_short_lists_are_whole_and_long_ones_are_counted():
    assert listed([]) == ""
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(i) for i in range(20)]).endswith("18, 19")
    assert listed([str(i) for i in range(1_022)]).endswith("19 and 1,002 more")


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        ([], ""),
        ([3], "3"),
        ([0, 1], "0, 1"),
        ([0, 1, 2], "0–2"),
        ([0, 1, 2, 3, 4, 7, 9, 10], "0–4, 7, 9, 10"),
        ([5, 6, 7, 100], "5–7, 100"),
    ],
)
def test_runs_of_seeds_are_written_by_their_ends(seeds, text):
    assert seed_ranges(seeds) == text


def test_a_budget_says_images_batches_and_steps():
    assert budget(training()) == "300,032 examples in batches of 128 (2,344 steps)"


@pytest.mark.parametrize(
    ("fields", "addition"),
    [
        ({"ema": 0.999}, ", weights averaged with decay 0.999"),
        ({"ema": PowerFunctionEMA(std=0.1)}, ", weights averaged over a relative length of 0.1 (power function)"),
        ({"micro_batch": 32}, ", in micro-batches of 32"),
        ({"flip": True, "data": "disk"}, ", images flipped at random"),
        ({"augment": {"name": "edm", "p": 0.15}}, ", images augmented as by EDM with probability 0.15"),
        ({"precision": "bf16"}, ", bf16 autocast"),
        ({"channels_last": True}, ", channels last"),
        ({"compile": True}, ", compiled"),
        ({"select": "best"}, ", best point of the curve selected"),
    ],
)
def test_a_budget_says_what_differs_from_plain_training(fields, addition):
    assert budget(training(**fields)) == budget(training()) + addition


def test_a_budget_says_everything_in_one_order():
    text = budget(training(ema=0.5, micro_batch=16, precision="bf16", channels_last=True, compile=True, select="best"))
    parts = ["averaged", "micro-batches", "bf16", "channels last", "compiled", "selected"]
    assert sorted(parts, key=text.index) == parts


def test_a_component_says_only_the_settings_that_the_board_gives(load):
    board = load(("model: net", "model: {name: net, width: 16}"))
    net, chain = (base.network.model for base in board.bases)
    assert component(net) == "`net` (width: 16), version 1/1"
    assert component(chain) == "`chain`, version 1/1"


def test_settings_that_are_mappings_are_written_out_and_escaped(board):
    model = board.bases[0].network.model
    settings = Settings(by_part={"a": 1, "b": [1, 2]})
    assert component(replace(model, settings=settings)) == r"`net` (by\_part: {a: 1, b: [1, 2]}), version 1/1"


def test_the_settings_of_an_optimiser_come_with_its_name(board):
    model = board.bases[0].network.model
    given = replace(model, settings=WithOptimizer(optimizer={"lr": 0.1}))
    assert component(given) == "`net` (optimizer: {name: adam, lr: 0.1}), version 1/1"
    assert component(replace(model, settings=WithOptimizer())) == "`net`, version 1/1"


def test_a_sampler_inside_a_sampler_is_written_as_a_board_writes_it(board):
    sampler = replace(board.bases[0].network.sampler, settings=Guided(sampler={"name": "heun", "steps": 4}))
    assert full_component(sampler) == "`draw` (sampler: {name: heun, steps: 4, rho: 7.0}, weight: 2.0)"
    assert component(sampler) == "`draw` (sampler: {name: heun, steps: 4, rho: 7.0}), version 1/1"


def test_all_settings_are_listed_but_those_that_the_algorithm_does_not_use(board):
    model = replace(board.bases[0].network.model, settings=WithOptimizer())
    optimizer = "name: sgd, lr: 0.001, weight\\_decay: 0.0, clip: none, warmup: 0.0, decay: constant"
    assert full_component(model) == f"`net` (optimizer: {{{optimizer}}}, is\\_fast: false)"
    assert "betas: [0.9, 0.999]" in full_component(replace(model, settings=WithOptimizer(optimizer={"name": "adamw"})))


def test_a_method_that_the_board_has_on_some_bases_only_says_which(board):
    entry = board.config.methods[board.cells[0].method_name]
    assert where_only(entry.model_copy(update={"only": ["base=net", "seed=0"]})) == " (`base=net, seed=0`)"
    assert where_only(entry.model_copy(update={"only": "base=net"})) == " (`base=net`)"
    assert where_only(entry.model_copy(update={"only": "base!=net,other-*,seed=0"})) == " (`base!=net,other-*,seed=0`)"
    assert where_only(entry.model_copy(update={"only": ""})) == where_only(entry.model_copy(update={"only": []})) == ""


@pytest.mark.parametrize(
    ("only", "text"),
    [
        (["base=net", "method=tune[rate=1e-4],tune[rate=0.3,beta=1]"], " (`base=net`)"),
        ("method=tune[rate=1e-4,beta=1],base=net,old,seed!=0", " (`base=net,old,seed!=0`)"),
        ("method!=tune[rate=1e-4]", ""),
    ],
)
def test_which_points_of_a_grid_a_board_has_is_not_said_beside_each_point(board, only, text):
    entry = board.config.methods[board.cells[0].method_name]
    assert where_only(entry.model_copy(update={"only": only})) == text
