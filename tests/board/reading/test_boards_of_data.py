"""Boards of data in the place of models, at several numbers of samples: what they may say, and what their cells are."""

import pytest
from board_fixtures import DATA_BOARD

from harness.board.filters import parse_filter
from harness.board.reading.load import load_board
from harness.errors import UserError


@pytest.fixture
def load(write_board, fake_plugins):
    """Loads the board of data, with one part of its text replaced."""

    def load(old="", new="", **options):
        assert old in DATA_BOARD
        return load_board(write_board(DATA_BOARD.replace(old, new) if old else DATA_BOARD), plugins=fake_plugins, **options)

    return load


@pytest.mark.parametrize(("old", "new", "message"), [
    ("evaluation: {sizes: [200, 100]", "evaluation: {samples: 100, sizes: [200, 100]", "has samples and sizes"),
    ("[200, 100]", "[100, 100]", "sizes has a number twice"),
    ("draws: 2", "draws: 1", "the minimum of one draw is its value"),
    ("{label: worse, data: ring}", "{label: worse, data: ring, model: net}", "has data, and so no model"),
    ("{label: worse, data: ring}", "{label: worse, data: rign}", r"did you mean 'ring'\?"),
    ("methods: {none: {}}", "methods: {fit: {}}", "'training' of the board is missing: fit trains"),
])  # fmt: skip
def test_what_does_not_fit_together_is_a_fault(load, old, new, message):
    with pytest.raises(UserError, match=message):
        load(old, new)


def test_methods_that_train_are_skipped_on_data(load):
    board = load("methods: {none: {}}", "methods: {none: {}, fit: {}}\ntraining: {images: 1280}")
    reasons = {cell.method_name: cell.skip_reason for cell in board.cells}
    assert reasons == {"none": None, "fit": "fit needs a model, and this base is data"}


def test_each_number_of_samples_has_its_cells_and_its_floors(load):
    board = load()
    assert [cell.name for cell in board.cells[:3]] == ["good/none/n200/s0", "good/none/n200/s1", "bad/none/n200/s0"]
    assert [floor.name for floor in board.floors] == [
        f"{metric}__n{size}" for size in (200, 100) for metric in ("distance", "likeness")
    ]


def test_a_filter_may_name_the_number_of_samples(load):
    board = load()
    kept = board.select(parse_filter("n=100", where="here"))
    assert {cell.evaluation.samples for cell in kept} == {100}
    assert len(kept) == 4


def test_a_smoke_board_has_the_smallest_number_only(load):
    board = load(smoke=True)
    assert {cell.evaluation.samples for cell in board.cells} == {64}
    assert len(board.floors) == 2
