"""Remarks on a board's settings: seeds that cells share with their bases, and rows that are selected unalike."""

import pytest
from board_fixtures import BOARD, DATA_BOARD
from search_boards import SEARCH_BOARD, plugins

from harness.board.reading.load import load_board

STEP = "{method: fit, training: {images: 1280}"
SHARED = (
    " with the pretraining of their base, so that training draws batches in the order of the pretraining, and continued "
    "pretraining draws its noise again; other seeds avoid it"
)


@pytest.fixture
def remarks_of(write_board, fake_plugins):
    """Returns the remarks on the standard board with parts of its text replaced."""

    def remarks_of(*changes, text=BOARD, **options):
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return load_board(write_board(text), plugins=fake_plugins, **options).remarks

    return remarks_of


def test_a_seed_of_a_cell_and_of_its_bases_pretraining_is_named(remarks_of):
    assert remarks_of() == (f"net, chain: cells share the seed 0{SHARED}",)
    assert remarks_of(("seeds: [0, 1, 2]", "seeds: [1, 2]")) == ()


def test_bases_that_share_other_seeds_have_lines_of_their_own(remarks_of):
    net = f"model: net, pretrain: {STEP}"
    assert remarks_of((net, f"{net}, seed: 2")) == (
        f"net: cells share the seed 2{SHARED}",
        f"chain: cells share the seed 0{SHARED}",
    )


@pytest.mark.parametrize(("seeds", "shared"), [
    ("[0, 1, 2]", "the seeds 0, 1, 2"),
    ("[2, 0, 1]", ""),  # a cell starts from a base of another seed
    ("[5, 1]", "the seed 1"),
    ("[5, 6]", ""),
])  # fmt: skip
def test_of_several_bases_that_of_the_cell_counts(remarks_of, seeds, shared):
    changes = [(f"pretrain: {STEP}", f"pretrain: {STEP}, seeds: {seeds}")]
    assert remarks_of(*changes) == ((f"net, chain: cells share {shared}{SHARED}",) if shared else ())


def test_a_seed_of_any_step_of_pretraining_counts(remarks_of):
    first, last = (f"{STEP}, seed: {seed}}}" for seed in (1, 9))
    assert remarks_of((f"pretrain: {STEP}}}", f"pretrain: [{first}, {last}]")) == (f"net, chain: cells share the seed 1{SHARED}",)


def test_rows_that_do_not_train_share_nothing(remarks_of):
    assert remarks_of(text=DATA_BOARD) == ()
    assert remarks_of(("  fit: {label: more of it, note: the control}\n  tune:\n", "")) == ()


@pytest.mark.parametrize(("pretrain_seed", "shares"), [("", True), ("101", True), ("99", False), ("board", False)])
def test_a_search_whose_own_base_has_a_seed_of_its_trials_is_named(write_board, pretrain_seed, shares):
    text = SEARCH_BOARD.replace("seeds: [0, 1, 2]", "seeds: [1, 2]")
    if pretrain_seed:
        text = text.replace("    trials: 12", f"    pretrain_seed: {pretrain_seed}\n    trials: 12")
    shared = (
        f"search weights: trials share the seed {pretrain_seed or 100} with the pretraining of their base, so that training "
        "draws batches in the order of the pretraining; a `pretrain_seed` apart from `seeds` avoids it"
    )
    assert load_board(write_board(text), plugins=plugins()).remarks == ((shared,) if shares else ())


def test_rows_of_a_base_that_are_selected_unalike_are_named(remarks_of):
    apart = ("seeds: [0, 1, 2]", "seeds: [1, 2]")
    best = "tune: {training: {select: best}}"
    assert remarks_of(apart, ("tune:", best)) == (
        "net: rows are selected unalike: the last weights of fit, and the best point of the curve of tune",
    )  # nothing tunes the chain
    assert remarks_of(apart, ("tune:", best), ("\ntraining: {images: 1280}", "\ntraining: {images: 1280, select: best}")) == ()


IDLE = """\
title: Idle
dataset: {name: swiss-roll, train_size: 500}
bases:
  small:
    model: {name: ddpm-mlp, steps: 4, width: 16, schedule: cosine, beta_end: 0.5}
    pretrain:
      method: {name: mle, optimizer: {name: rmsprop, betas: [0.9, 0.99]}}
      training: {images: 3200, batch: 64}
training: {images: 3200, batch: 64}
methods:
  mle: {method: {name: mle, optimizer: {name: adam, betas: [0.9, 0.99]}}}
seeds: [1]
evaluation: {samples: 100, batch: 100}
metrics: {sliced-w2: }
"""


@pytest.mark.parametrize("smoke", [False, True])
def test_a_written_setting_that_changes_nothing_is_named_with_its_line(write_board, smoke):
    assert load_board(write_board(IDLE), smoke=smoke).remarks == (
        "board.yaml:5: model ddpm-mlp: `beta_end` changes nothing beside the other settings",
        "board.yaml:7: method mle: `optimizer.betas` changes nothing beside the other settings",
    )
