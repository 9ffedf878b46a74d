from dataclasses import astuple, replace

import pytest

from harness.report.collect import collect_published
from harness.report.floors import FloorDraws, floor_draws, floor_minima, floor_scores
from harness.report.remarks import remarks
from harness.report.scores import Score
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import save_record


@pytest.fixture
def with_values(board, make_floor):
    """Collects the board with these values of its first floor alone, of as many pairs. One without values may lack them."""

    def collect(values):
        nonlocal board
        floor, *others = board.floors
        config = floor.column.config if values else floor.column.config.model_copy(update={"against": "selection"})
        floor = replace(floor, column=replace(floor.column, floor_pairs=len(values), config=config))
        board = replace(board, floors=(floor, *others))
        path = BoardFolder(board.folder).record(RecordName("floor", floor.name))
        save_record(make_floor(board, floor).model_copy(update={"values": values}), path)
        return collect_published(board)

    return collect


@pytest.fixture
def of_older_version(board, make_floor):
    """Collects the board with a floor whose record does not say what data it saw; `held_out` is the dataset's declaration."""

    def collect(held_out):
        path = BoardFolder(board.folder).record(RecordName("floor", board.floors[0].name))
        older = {"dataset_fingerprint": None, "held_out": None}
        save_record(make_floor(board, board.floors[0]).model_copy(update=older), path)
        component = replace(board.dataset.component, held_out=held_out)
        dataset = replace(board.dataset, component=component)
        return collect_published(replace(board, floors=tuple(replace(floor, dataset=dataset) for floor in board.floors)))

    return collect


def test_a_floor_is_the_mean_and_deviation_over_pairs_of_draws(with_values):
    # By hand: 0.012 is the mean of all four; the deviations are 0.002 twice and 0 twice, so 8e-6 / 3.
    scores = floor_scores(with_values([0.010, 0.012, 0.014, 0.012]))
    assert scores.keys() == {"distance"}
    assert astuple(scores["distance"]) == pytest.approx((0.012, (8e-6 / 3) ** 0.5, 4))


def test_a_minimum_is_over_as_many_pairs_as_a_cell_has_draws(with_values):
    # The board has two draws a cell: the minima of (0.010, 0.012) and (0.014, 0.012).
    minima = floor_minima(with_values([0.010, 0.012, 0.014, 0.012]))
    assert minima.keys() == {"distance"}
    assert astuple(minima["distance"]) == pytest.approx((0.011, 0.002 / 2**0.5, 2))


def test_a_pair_that_is_left_over_does_not_count_for_minima(with_values):
    minima = floor_minima(with_values([0.010, 0.012, 0.001]))
    assert minima == {"distance": Score(0.010, None, 1)}


def test_fewer_pairs_than_draws_give_no_minimum_and_still_a_mean(with_values):
    collection = with_values([0.010])
    assert floor_minima(collection) == {}
    assert floor_scores(collection) == {"distance": Score(0.010, None, 1)}


def test_a_floor_without_values_or_without_a_record_has_no_score(with_values, board):
    assert [floor.name for floor in board.floors] == ["distance", "likeness"]
    assert floor_scores(with_values([])) == floor_minima(with_values([])) == {}


def test_draws_share_examples_where_the_record_says_that_they_are_taken_from_the_same(with_values, board, make_floor):
    collection = with_values([0.010, 0.012])
    assert floor_draws(collection) == {"distance": FloorDraws([0.010, 0.012], shared=0.0)}
    of_many = collection.floors["distance"].model_copy(update={"held_out": 400})  # the board's draws have 100 examples
    assert floor_draws(replace(collection, floors={"distance": of_many}))["distance"].shared == 0.25


@pytest.mark.parametrize(("held_out", "shared"), [(lambda _: 400, 0.25), (lambda _: 0, 0.0)])
def test_what_a_record_of_an_older_version_does_not_say_is_what_the_dataset_declares(of_older_version, held_out, shared):
    assert floor_draws(of_older_version(held_out))["distance"].shared == shared


def test_without_a_declared_number_a_record_of_an_older_version_is_no_floor_to_test_against(of_older_version):
    collection = of_older_version(None)
    assert floor_draws(collection) == {}
    assert floor_scores(collection).keys() == {"distance"}  # the table shows it
    assert any("no row has † or ‡ in distance: the records of the floor are of an older" in line for line in remarks(collection))
    assert not any("no row has †" in line for line in remarks(of_older_version(lambda _: 0)))


def test_columns_against_training_examples_have_one_held_out_draw_a_value(load, publish_records):
    board = load(("  distance: {shown", "  distance: {against: train, shown"))
    publish_records(board)
    draws = floor_draws(collect_published(board))
    assert {name: of.is_one_sided for name, of in draws.items()} == {"distance": True, "likeness": False}
