"""What a dataset cannot give is said before anything is trained, for each use of its draws."""

from dataclasses import replace

import pytest

from harness.board.reading import pretrained_bases
from harness.components import Dataset
from harness.presets import WeightsFile
from harness.references import Reference
from harness.run.data_needs import data_faults
from harness.stages import draws
from harness.stages.checked import CheckedSource
from harness.stages.process_cache import ProcessCache

DIGITS = """\
title: Many
dataset: digits
bases:
  net:
    model: {name: edm-unet, model_channels: 4, attn_resolutions: []}
    pretrain: {method: mle, training: {images: 128, batch: 64}}
  faulty: {data: {name: corrupted, dropped_classes: 9}, only: method=none}
methods: {none: , mle: }
training: {images: 128, batch: 64}
seeds: [0]
evaluation: {samples: 400}
metrics: {sliced-w2: }
"""


@pytest.fixture
def asked(monkeypatch):
    """The draws that were asked for, as (draw, number of examples)."""
    noted = []
    monkeypatch.setattr(CheckedSource, "check_evaluation", lambda _, draw, n: noted.append((draw, n)))
    return noted


@pytest.fixture
def undeclared(monkeypatch):
    """Datasets that do not say the number of their held-out examples: a board of others is refused where it is read."""
    monkeypatch.setattr(Dataset, "known_held_out", lambda *_: None)


CURVE = "training: {images: 128, batch: 64}\ncurve: {metric: sliced-w2, points: 2, samples: 100}\n"
KEPT = DIGITS.replace("dataset: digits\n", "dataset: {name: digits, selection: 448}\n").replace("samples: 400", "samples: 224")
KEPT = KEPT.replace("training: {images: 128, batch: 64}\nseeds", CURVE + "seeds")


def test_a_board_may_ask_for_all_that_is_kept_for_the_curve_and_no_more(write_small):
    board = write_small(KEPT.replace("  faulty", "  # faulty").replace("samples: 100", "samples: 448"))
    assert data_faults(board, board.cells, board.floors, ProcessCache()) == []
    board = write_small(KEPT.replace("  faulty", "  # faulty").replace("samples: 100", "samples: 449"))
    (fault,) = data_faults(board, board.cells, board.floors, ProcessCache())
    assert fault == (
        "dataset digits keeps 448 examples for the curve, and 449 are asked for: lower curve.samples "
        "(evaluation.samples for a column with `against: selection`), or raise `selection` of "
        "the dataset"
    )


@pytest.mark.usefixtures("undeclared")
def test_evaluation_beyond_what_selection_leaves_is_refused(write_small):
    board = write_small(KEPT.replace("  faulty", "  # faulty").replace("samples: 224", "samples: 225"))
    (fault,) = data_faults(board, board.cells, board.floors, ProcessCache())
    assert fault.startswith("dataset digits gives 224 held-out examples a draw at most, and 225 are asked for")


@pytest.mark.parametrize("corrupted", ["blur: 0.5", "dropped_classes: 1"])
def test_data_in_the_place_of_a_model_come_from_the_same_part_as_the_boards(write_small, corrupted):
    text = KEPT.replace("dropped_classes: 9", corrupted).replace("samples: 224", "samples: 150")
    board = write_small(text)
    (fault,) = data_faults(board, board.cells, board.floors, ProcessCache())
    assert fault == (
        "base faulty: its dataset keeps 0 examples for the curve, and the board's 448: give both the same `selection`, so that "
        "their draws share no example"
    )
    board = write_small(text.replace(corrupted, f"{corrupted}, selection: 448"))
    assert data_faults(board, board.cells, board.floors, ProcessCache()) == []
    real = text.replace("dataset: {name: digits, selection: 448}", f"dataset: {{name: corrupted, {corrupted}, selection: 448}}")
    board = write_small(real.replace(f"data: {{name: corrupted, {corrupted}}}", "data: digits"))
    (fault,) = data_faults(board, board.cells, board.floors, ProcessCache())
    assert fault.startswith("base faulty: its dataset keeps 0 examples for the curve")


@pytest.mark.usefixtures("undeclared")
def test_more_samples_than_the_dataset_holds_out_are_refused(write_small):
    board = write_small(DIGITS.replace("400", "5000").replace("{none: , mle: }", "{mle: }").replace("  faulty", "  # faulty"))
    (fault,) = data_faults(board, board.cells, board.floors, ProcessCache())
    assert fault.startswith(
        "dataset digits gives 448 held-out examples a draw at most, and 5000 are asked for: lower evaluation."
    )


def test_a_base_of_examples_is_asked_too(write_small):
    board = write_small(DIGITS)
    (fault,) = data_faults(board, board.cells, board.floors, ProcessCache())
    assert fault.startswith("dataset corrupted, evaluation draw 1 of 400 examples: 400 images of 1 of 10 classes are not there")


def test_a_draw_of_each_purpose_is_asked_for(write_small, small_text, asked):
    text = small_text + "curve: {metric: sliced-w2, points: 2, samples: 30}\n"
    board = write_small(text.replace("samples: 20, batch", "sizes: [10, 40], batch"))
    cells = [cell for cell in board.cells if cell.seed == 1]
    assert data_faults(board, cells, board.floors, ProcessCache()) == []
    assert asked == [(draws.evaluation(1, 0), 40), (draws.floor(0)[0], 40), (draws.selection(1), 30)]


def test_what_nothing_needs_is_not_asked_for(small, asked):
    skipped = [replace(cell, row=replace(cell.row, skip_reason="no")) for cell in small.cells]
    assert data_faults(small, skipped, (), ProcessCache()) == []
    assert data_faults(small, (), (), ProcessCache()) == []
    assert asked == []
    data_faults(small, (), small.floors, ProcessCache())
    assert asked == [(draws.floor(0)[0], 20)]


AGAINST_TRAIN = DIGITS.replace("  faulty", "  # faulty").replace("sliced-w2: }", "sliced-w2: {against: train}}")


@pytest.mark.usefixtures("undeclared")
def test_more_samples_than_training_examples_are_refused_where_a_column_compares_with_these(write_small):
    board = write_small(AGAINST_TRAIN.replace("samples: 400", "sizes: [100, 902]"))
    faults = data_faults(board, board.cells, (), ProcessCache())
    assert faults == [
        "metric sliced-w2: against: train compares 902 samples with as many training examples, and digits has 901: lower "
        "evaluation.samples or sizes, or write `against: train-all` where the metric compares features"
    ]
    assert data_faults(board, [cell for cell in board.cells if cell.evaluation.samples == 100], (), ProcessCache()) == []


@pytest.mark.usefixtures("undeclared")
def test_the_whole_training_set_may_be_smaller_than_a_draw(write_small):
    text = AGAINST_TRAIN.replace("sliced-w2: {against: train}", '"fid[digits-cnn]": {against: train-all}')
    board = write_small(text.replace("samples: 400", "samples: 2000"))
    assert data_faults(board, board.cells, (), ProcessCache()) == []


AGAINST_SELECTION = AGAINST_TRAIN.replace("against: train", "against: selection")
KEEPS = "keeps 448 examples for the curve, and 449 are asked for"


def test_a_column_against_selection_needs_examples_that_are_kept_apart(write_small):
    text = AGAINST_SELECTION.replace("samples: 400", "samples: 448")
    board = write_small(text)
    assert data_faults(board, board.cells, (), ProcessCache()) == [
        "metric sliced-w2: against: selection compares with examples that are kept for the curve, and digits keeps none: "
        "give the dataset `selection`, or leave `against` out"
    ]
    kept = "dataset: {name: digits, selection: 448}"
    board = write_small(text.replace("dataset: digits", kept))
    # A draw of the evaluation has 224 images at most then: the floor has no values, and no fault.
    assert data_faults(board, board.cells, board.floors, ProcessCache()) == []
    board = write_small(text.replace("dataset: digits", kept).replace("samples: 448", "samples: 449"))
    (fault,) = data_faults(board, board.cells, board.floors, ProcessCache())
    assert KEEPS in fault


def test_a_column_against_published_statistics_asks_for_no_real_examples(write_small, asked):
    board = write_small(DIGITS.replace("  faulty", "  # faulty").replace("sliced-w2: ", '"fid[digits-cnn]": '))
    reference = Reference("statistics", WeightsFile("statistics.npz"), 50_000, "digits", (1, 8, 8), ("digits-cnn",))
    (column,) = (replace(column, reference=reference) for column in board.columns)
    cells = [replace(cell, row=replace(cell.row, columns=(column,))) for cell in board.cells]
    assert data_faults(board, cells, (), ProcessCache()) == []
    assert asked == []
    small, large = (replace(board.floors[0], column=column, samples=samples) for samples in (400, 50_000))
    assert data_faults(board, cells, (small, large), ProcessCache()) == []
    assert asked == [(draws.floor(0)[0], 400)], "of the larger one there is no floor"


def test_augmentation_that_a_network_is_not_told_of_is_refused_where_the_data_must_be_read_first(write_small, monkeypatch):
    monkeypatch.setattr(pretrained_bases, "spec_of", lambda _: None)
    board = write_small(
        DIGITS.replace("pretrain: {method: mle, training: {", "pretrain: {method: mle, training: {augment: {name: edm}, ")
    )
    faults = data_faults(board, board.cells, (), ProcessCache())
    (fault,) = [fault for fault in faults if "augment" in fault]
    assert fault.startswith("base net: model edm-unet: augment gives 9 labels for each image, and augment_dim is 0: set it to 9")
