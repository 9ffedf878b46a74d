"""Bases that the board pretrains: one step or several, what is a fault, and what the steps share."""

import pytest
from board_faults import fault
from board_fixtures import BOARD

from harness.board.reading.load import load_board
from harness.errors import UserError

ONE = "net: {label: Net, model: net, pretrain: {method: fit, training: {images: 1280}}}"
TWO = """net:
    label: Net
    model: net
    pretrain:
      - {method: fit, training: {images: 1280}}
      - {method: fit, training: {images: 2560}, seed: 3}"""


def bases(write_board, plugins, text):
    return {base.name: base for base in load_board(write_board(text), plugins=plugins).bases}


def test_one_step_means_the_same_with_and_without_a_list(write_board, fake_plugins):
    listed = ONE.replace("{method: fit, training: {images: 1280}}", "[{method: fit, training: {images: 1280}}]")
    keys = [bases(write_board, fake_plugins, BOARD.replace(ONE, text))["net"].key for text in (ONE, listed)]
    assert keys[0] == keys[1]


def test_each_step_starts_from_the_one_before_and_has_a_key_of_its_own(write_board, fake_plugins):
    alone = bases(write_board, fake_plugins, BOARD)["net"]
    both = bases(write_board, fake_plugins, BOARD.replace(ONE, TWO))["net"]
    first, second = both.origin.steps
    assert (first.after, second) == (None, both.origin)
    assert second.after.key == alone.key  # so that boards share it
    assert both.key != alone.key
    assert (second.training.images, second.seed) == (2560, 3)
    moved = bases(write_board, fake_plugins, BOARD.replace(ONE, TWO.replace("images: 1280", "images: 3840")))["net"]
    assert moved.key != both.key  # what comes before is part of what comes after


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fit, training: {images: 2560}", "fat, training: {images: 2560}", ":9: no method is called 'fat'"),
        ("images: 2560", "images: 2500", ":9: bases.net.pretrain.1.training: images (2500) is not a multiple"),
        ("fit, training: {images: 2560}", "tune, training: {images: 2560}", ":9: tune cannot train from scratch"),
        ("seed: 3", "sead: 3", ":9: no key is called 'bases.net.pretrain.1.sead' here; did you mean 'seed'?"),
        ("images: 2560", "images: 2560, select: best", ":9: select: a pretrained base"),
    ],
)
def test_a_fault_in_a_step_is_told_with_its_line(write_board, fake_plugins, old, new, message):
    with pytest.raises(UserError) as caught:
        load_board(write_board(BOARD.replace(ONE, TWO.replace(old, new))), plugins=fake_plugins)
    assert message in str(caught.value)


def test_a_fault_in_a_single_step_is_told_as_it_is_written(write_board, fake_plugins):
    with pytest.raises(UserError) as caught:
        load_board(write_board(BOARD.replace(ONE, ONE.replace("training", "trainin"))), plugins=fake_plugins)
    assert "no key is called 'bases.net.pretrain.trainin' here; did you mean 'training'?" in str(caught.value)


def test_no_step_at_all_is_a_fault(write_board, fake_plugins):
    with pytest.raises(UserError, match="pretrain"):
        load_board(
            write_board(BOARD.replace("pretrain: {method: fit, training: {images: 1280}}}", "pretrain: []}", 1)),
            plugins=fake_plugins,
        )


def test_a_base_needs_a_method_that_trains_from_scratch(write_board, fake_plugins):
    old = "chain: {label: Chain, model: chain, pretrain: {method: fit"
    found = fault(write_board, fake_plugins, old, old.replace("fit", "none"))
    assert found == "board.yaml:5: none cannot train from scratch; these can: fit"


def test_steps_share_model_sampler_and_dataset(write_board, fake_plugins):
    base = bases(write_board, fake_plugins, BOARD.replace(ONE, TWO))["net"]
    first, second = base.origin.steps
    assert (first.model, first.sampler) == (second.model, second.sampler)
    assert second.after.dataset == base.dataset


def test_a_smoke_run_shortens_every_step(write_board, fake_plugins):
    board = load_board(write_board(BOARD.replace(ONE, TWO)), plugins=fake_plugins, smoke=True)
    assert [step.training.steps for step in board.bases[0].origin.steps] == [8, 8]


def test_a_model_that_the_method_cannot_train_is_a_fault(grid_faults):
    (found,) = grid_faults(("method: parts", "method: steps"))
    assert found == "board.yaml:4: unet lacks Transitions, which steps needs"


def test_a_model_that_cannot_be_trained_in_micro_batches_is_a_fault(grid_faults):
    micro = ("images: 256", "images: 256, micro_batch: 4")
    coarse = ("model: unet", "model: coarse")
    assert grid_faults(micro, coarse) == ["board.yaml:4: coarse lacks TrainsInParts, which parts needs for micro_batch"]


def test_a_method_that_takes_whole_batches_is_a_fault_of_micro_batches(grid_faults):
    changes = ("images: 256", "images: 256, micro_batch: 4"), ("method: parts", "method: fit")
    assert grid_faults(*changes) == ["board.yaml:4: fit takes whole batches and cannot follow micro_batch"]


def test_a_model_that_does_not_fit_the_data_is_a_fault_of_the_model(grid_faults):
    assert grid_faults(("model: unet", "model: {name: unet, levels: 4}")) == ["board.yaml:4: 4 levels do not divide 8"]


def test_faults_of_a_base_are_found_beside_those_of_the_dataset(grid_faults):
    found = grid_faults(("dataset: grid", "dataset: gird"), ("method: parts", "method: part"), ("model: unet", "model: unit"))
    assert ["no dataset is called 'gird'" in found[0], "no method is called 'part'" in found[1]] == [True, True]
    assert "no model is called 'unit'; did you mean 'unet'" in found[2]


def test_all_faults_of_all_steps_are_found_at_once(write_board, fake_plugins):
    wrong = TWO.replace("method: fit", "method: tune").replace("1280}", "1280, select: best}")
    with pytest.raises(UserError) as caught:
        load_board(write_board(BOARD.replace(ONE, wrong)), plugins=fake_plugins)
    lines = [line.partition(".yaml")[2] for line in str(caught.value).splitlines()]
    assert lines == [
        ":8: select: a pretrained base is always the last weights",
        ":8: tune cannot train from scratch; these can: fit",
        ":9: tune cannot train from scratch; these can: fit",
    ]


SEEDS = ONE.replace("{images: 1280}}", "{images: 1280}, seeds: [0, 5]}")


def test_a_base_of_several_seeds_is_one_base_for_each_and_shares_keys_with_bases_of_one_seed(write_board, fake_plugins):
    board = load_board(write_board(BOARD.replace(ONE, SEEDS)), plugins=fake_plugins)
    first, second = board.bases_by_name["net"]
    alone = [ONE, ONE.replace("{images: 1280}}", "{images: 1280}, seed: 5}")]
    assert [first.key, second.key] == [bases(write_board, fake_plugins, BOARD.replace(ONE, text))["net"].key for text in alone]
    assert [base.full_name for base in board.bases] == ["net of seed 0", "net of seed 5", "chain"]
    assert [base.name for base in board.named_bases] == ["net", "chain"]


def test_a_step_with_one_seed_is_taken_once_for_all_seeds_of_the_next(write_board, fake_plugins):
    text = TWO.replace("seed: 3", "seeds: [3, 4]")
    board = load_board(write_board(BOARD.replace(ONE, text)), plugins=fake_plugins)
    first, second = board.bases_by_name["net"]
    assert first.network.after.key == second.network.after.key
    assert [first.network.seed, second.network.seed] == [3, 4]
    assert (first.network.after.full_name, second.full_name) == ("net", "net of seed 4")


def test_a_step_that_is_taken_once_for_each_seed_has_the_name_of_its_seed(write_board, fake_plugins):
    """Three tokenizers were one line of a dry run, and three trainings of one name."""
    text = TWO.replace("seed: 3", "seeds: [3, 4]").replace("{images: 1280}}", "{images: 1280}, seeds: [3, 4]}")
    board = load_board(write_board(BOARD.replace(ONE, text)), plugins=fake_plugins)
    assert [base.network.after.full_name for base in board.bases_by_name["net"]] == ["net of seed 3", "net of seed 4"]


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ("seeds: [0, 0]", "bases.net.pretrain: seeds has a seed twice: [0, 0]"),
        ("seeds: [0, 1], seed: 0", "bases.net.pretrain: has seed and seeds: keep one of the two"),
        ("seeds: [0, 1, 2, 3]", "seeds: 4 seeds, and the board has 3, so that no cell would start from the last ones"),
        ("seeds: []", "seeds: must have at least 1 entry"),
        ("seeds: [-1]", "bases.net.pretrain"),
        ("seeds: [true]", "bases.net.pretrain"),
    ],
)
def test_lists_of_seeds_that_mean_nothing_are_faults(write_board, fake_plugins, seeds, message):
    assert message in fault(write_board, fake_plugins, "{images: 1280}}}\n  chain", f"{{images: 1280}}, {seeds}}}}}\n  chain")


def test_steps_have_as_many_seeds(write_board, fake_plugins):
    text = TWO.replace("seed: 3", "seeds: [3, 4]").replace("{images: 1280}}", "{images: 1280}, seeds: [0, 1, 2]}")
    with pytest.raises(UserError, match="seeds: 2 seeds, and an earlier step has 3"):
        load_board(write_board(BOARD.replace(ONE, text)), plugins=fake_plugins)
