"""The boards of the papers: their files say what the papers say, and what they count is counted one way."""

import csv
from pathlib import Path

import pytest

from harness.board.bases import Loaded
from harness.board.reading.load import load_board
from harness.plugins import registry
from harness.training.rounds import rounds_of

BOARDS = Path(__file__).parents[2] / "leaderboards"
NAMES = ("cifar10", "cifar10-cond", "cifar10-t10", "celeba64-t10", "imagenet64", "imagenet256-ar", "imagenet512")
CIFAR10_ROUND, IMAGENET_ROUND = 1_499_648, 6_400_000


@pytest.fixture(scope="module")
def board_of():
    boards = {name: load_board(BOARDS / name) for name in NAMES}
    return boards.__getitem__


def reported(name):
    with (BOARDS / name / "reported.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", NAMES)
def test_a_board_measures_50000_images_of_a_published_network(board_of, name):
    board = board_of(name)
    assert {cell.evaluation.samples for cell in board.cells} == {50_000}
    assert all(isinstance(base.origin, Loaded) for base in board.bases)


@pytest.mark.parametrize("name", NAMES)
def test_a_board_says_what_it_fills_in_where_its_paper_is_silent(board_of, name):
    assert "filled in" in board_of(name).config.description


@pytest.mark.parametrize("name", [name for name in NAMES if "t10" not in name])
def test_weights_of_methods_authors_are_rows_without_training(board_of, name):
    board, presets = board_of(name), registry().presets
    theirs = {base.name for base in board.bases if presets[base.origin.weights.preset].fine_tuned_by}
    assert theirs
    assert {cell.method_name for cell in board.cells if cell.base.name in theirs} == {"none"}


@pytest.mark.parametrize(
    ("name", "rounds", "images"),
    [
        ("cifar10", 12, CIFAR10_ROUND),
        ("cifar10-cond", 16, CIFAR10_ROUND),
        ("imagenet64", 24, IMAGENET_ROUND),
        ("imagenet512", 28, IMAGENET_ROUND),
    ],
)
def test_ddo_has_the_papers_rounds_each_as_long_as_one_round(board_of, name, rounds, images):
    cells = {cell.method_name: cell for cell in board_of(name).cells}
    assert rounds_of(cells["ddo"].method.settings).rounds == rounds
    assert cells["ddo"].training.images == rounds * images
    assert (rounds_of(cells["ddo-1"].method.settings).rounds, cells["ddo-1"].training.images) == (1, images)


@pytest.mark.parametrize("name", ["cifar10", "cifar10-cond", "imagenet64", "imagenet512"])
def test_matched_training_does_the_work_of_one_round_of_ddo(board_of, name):
    cells = {cell.method_name: cell for cell in board_of(name).cells}
    nfe = 2 * cells["ddo"].base.origin.sampler.settings.model_dump()["steps"] - 1
    # Of a real and a generated example each: both passes of the network (3), and one of the reference; and the bank.
    work = 8 * cells["ddo-1"].training.images + 50_000 * nfe
    matched = 3 * cells["mle-matched"].training.images
    assert abs(work - matched) <= 3 * 512 / 2


@pytest.mark.parametrize("name", ["cifar10-t10", "celeba64-t10"])
def test_matched_training_does_the_work_of_sft_pg(board_of, name):
    cells = {cell.method_name: cell for cell in board_of(name).cells}
    # An image is drawn by ten passes, and one of its steps is trained on twice (10 updates for 5 of the critic), at 3 passes.
    work = (10 + 2 * 3) * cells["sft-pg"].training.images
    assert abs(work - 3 * cells["mle-matched"].training.images) <= 3 * 128 / 2


def test_matched_training_does_the_work_of_ddo_on_tokens(board_of):
    cells = {(cell.base.name, cell.method_name): cell for cell in board_of("imagenet256-ar").cells}
    images = cells["var-d16", "ddo"].training.images
    drawn = {"var-d16": 20 * images, "var-d30": 20 * images, "maskgit": 32 * 50_000}
    for base, of_drawing in drawn.items():
        name = "mle-matched-maskgit" if base == "maskgit" else "mle-matched"
        assert abs(8 * images + of_drawing - 3 * cells[base, name].training.images) <= 3 * 1024 / 2


@pytest.mark.parametrize("name", ["cifar10-t10", "celeba64-t10"])
def test_sft_pg_trains_the_ten_steps_that_it_is_sampled_in(board_of, name):
    cells = [cell for cell in board_of(name).cells if cell.method_name == "sft-pg"]
    assert {cell.row.sampler_name for cell in cells} == {"fastdpm"}
    assert all(cell.skip_reason is None for cell in cells)


def test_only_maskgit_skips_what_it_lacks(board_of):
    assert [cell.name for name in NAMES for cell in board_of(name).cells if cell.skip_reason is not None] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_guided_row_counts_the_evaluations_of_both_networks_also_where_one_is_a_classifier(name):
    rows = reported(name)
    assert rows
    by_model = {(row["model"], row["guidance"]): row for row in rows if row["nfe"]}
    for (model, guidance), row in by_model.items():
        plain = by_model.get((model, "none"))
        is_quoted = row["note"].startswith("NFE as ")  # a source that does not say how it counts, or counts otherwise
        if guidance in ("CFG", "AG", "CG", "guided") and plain is not None and plain["method"] == "base" and not is_quoted:
            assert int(row["nfe"]) in (2 * int(plain["nfe"]), 50), row  # DPM-Solver-v3 has 25 steps


@pytest.mark.parametrize("name", NAMES)
def test_discriminator_guidance_counts_the_discriminator_in_every_row(name):
    guided = [row for row in reported(name) if row["guidance"] == "DG" and row["nfe"]]
    assert {row["nfe"] for row in guided} == ({"53"} if name in ("cifar10", "cifar10-cond") else set())


@pytest.mark.parametrize("name", [name for name in NAMES if "t10" not in name])
def test_every_training_is_cut_evenly_into_micro_batches_which_no_method_or_model_refuses(board_of, name):
    board = board_of(name)
    trained = [cell for cell in board.cells if cell.method.component.trains]
    assert trained
    for cell in trained:
        batch, size = cell.training.batch, cell.training.micro_batch
        assert size is not None
        assert batch % size == 0
        assert size & (size - 1) == 0, "a power of two"
        assert "micro_batch" not in (cell.skip_reason or "")
    assert "`micro_batch` is the harness's" in board.config.description
