"""Bases: how pretraining is written, in one step or several, what is a fault, and what the steps share."""

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
