from dataclasses import replace

import pytest

from harness.errors import UserError
from harness.report.collect import collect_published
from harness.report.time_to_target import curve_column, resolution, times_to_target
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import CurvePoint


@pytest.fixture
def collection_of(board, publish_records, make_record):
    """Publishes the standard board with these values of the curves of `net/tune`, by seed."""

    def collection_of(*curves):
        publish_records(board)
        for cell in board.cells:
            if cell.row.name == "net/tune":
                points = [CurvePoint(images=320 * place, value=value) for place, value in enumerate(curves[cell.seed])]
                costs = make_record(cell).costs.model_copy(
                    update={"images_seen": 1280, "seconds_finetune": 8.0, "forward_evaluations": 40, "backward_evaluations": 20}
                )
                publish_records(board, [cell], curve=points, costs=costs)
        return collect_published(board)

    return collection_of


def of_tune(collection, target):
    (row,) = [each for each in times_to_target(collection, target) if (each.base, each.method) == ("net", "tune")]
    return row


def test_the_first_point_as_good_as_the_target_counts_and_the_one_before_bounds_it(collection_of):
    row = of_tune(collection_of([5, 4, 2, 3, 1], [5, 2, 2, 2, 2], [2, 5, 5, 5, 5]), 2.0)
    assert [(each.images, each.before) for each in row.seeds] == [(640, 320), (320, 0), (0, 0)]
    # 40 forward passes and 20 with gradients, which count three, in proportion to the images.
    assert [(each.cost, each.seconds) for each in row.seeds] == [(50.0, 4.0), (25.0, 2.0), (0.0, 0.0)]


def test_a_seed_that_does_not_reach_the_target_took_longer_than_any_other(collection_of):
    row = of_tune(collection_of([5, 2, 1, 1, 1], [5, 5, 5, 2, 1], [5, 5, 5, 5, 5]), 2.0)
    assert row.reached == 2
    assert row.median([320, 960]) == 960
    assert row.median([320, None]) is None


def test_a_seed_that_diverged_did_not_reach_the_target(board, publish_records, make_record, collection_of):
    collection_of([1] * 5, [1] * 5, [1] * 5)
    (cell,) = [cell for cell in board.cells if cell.name == "net/tune/s1"]
    publish_records(board, [cell], status="diverged", curve=make_record(cell, curve=[CurvePoint(images=0, value=1.0)]).curve)
    row = of_tune(collect_published(board), 2.0)
    assert (row.reached, len(row.seeds)) == (2, 3)


def test_a_row_whose_seeds_all_diverged_is_there(board, publish_records, collection_of):
    collection_of([1] * 5, [1] * 5, [1] * 5)
    publish_records(board, [cell for cell in board.cells if cell.row.name == "net/tune"], status="diverged", curve=[])
    row = of_tune(collect_published(board), 2.0)
    assert (row.reached, row.seeds, row.missing) == (0, (None, None, None), 0)


def test_seeds_without_a_result_are_counted_apart(board, collection_of):
    collection_of([1] * 5, [1] * 5, [1] * 5)
    (cell,) = [cell for cell in board.cells if cell.name == "net/tune/s1"]
    BoardFolder(board.folder).record(RecordName("cell", cell.name)).unlink()
    row = of_tune(collect_published(board), 2.0)
    assert (row.reached, len(row.seeds), row.missing) == (2, 2, 1)


def test_a_row_without_any_result_is_there(board, collection_of):
    """A row whose records are stale was left out without a word."""
    collection_of([1] * 5, [1] * 5, [1] * 5)
    for cell in board.cells:
        if cell.row.name == "net/tune":
            BoardFolder(board.folder).record(RecordName("cell", cell.name)).unlink()
    row = of_tune(collect_published(board), 2.0)
    assert (row.seeds, row.missing, row.median([])) == ((), 3, None)


def test_a_point_of_a_training_with_candidates_costs_its_share_of_all_of_them(board, publish_records, make_record):
    """Four candidates take four times the images of the path that the curve is drawn along."""
    for cell in board.cells:
        if cell.row.name == "net/tune":
            points = [CurvePoint(images=images, value=5.0 - images / 640, candidate=1 + images % 2) for images in (0, 640, 1280)]
            costs = make_record(cell).costs.model_copy(
                update={"images_seen": 4 * 1280, "seconds_finetune": 8.0, "forward_evaluations": 40, "backward_evaluations": 0}
            )
            publish_records(board, [cell], curve=points, costs=costs)
    row = of_tune(collect_published(board), 4.0)
    assert [(each.images, each.before, each.cost, each.seconds) for each in row.seeds] == [(2560, 0, 20.0, 4.0)] * 3


def test_a_row_most_of_whose_seeds_do_not_reach_the_target_has_no_median(collection_of):
    row = of_tune(collection_of([5, 2, 1, 1, 1], [5] * 5, [5] * 5), 2.0)
    assert row.median([320]) is None


def test_where_a_round_tries_candidates_the_best_of_them_counts_in_columns_where_higher_is_better_too(load, publish_records):
    board = load(("curve: {metric: distance", "curve: {metric: likeness"))
    publish_records(board)
    (cell,) = [cell for cell in board.cells if cell.name == "net/tune/s0"]
    of_round = [CurvePoint(images=640, value=value, round=1, candidate=number) for number, value in enumerate((0.2, 0.9), 1)]
    publish_records(board, [cell], curve=[CurvePoint(images=0, value=0.1), *of_round])
    first, *_ = of_tune(collect_published(board), 0.5).seeds
    assert (first.images > 0, first.before) == (True, 0)


def test_rows_that_do_not_train_have_no_time(collection_of):
    assert {each.method for each in times_to_target(collection_of([1] * 5, [1] * 5, [1] * 5), 2.0)} == {"fit", "tune"}


def test_the_resolution_is_the_largest_step_of_a_curve(collection_of):
    assert resolution(collection_of([5, 4], [5, 4], [5, 4])) >= 320


def test_a_board_without_a_curve_is_refused(load, publish_records):
    board = load(("curve: {metric: distance, points: 4, samples: 100}\n", ""))
    publish_records(board)
    with pytest.raises(UserError, match="rings: the board measures no curve along training"):
        times_to_target(collect_published(board), 1.0)


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        (float("nan"), "rings: the target is nan; give a value that distance can have"),
        (float("inf"), "rings: the target is inf"),
        (-1.0, "rings: the target is -1, and the lowest value of distance is 0; give a value that distance can have"),
    ],
)
def test_a_target_that_no_value_can_be_is_refused(collection_of, target, fault):
    collection = collection_of([5, 4], [5, 4], [5, 4])
    with pytest.raises(UserError) as error:
        times_to_target(collection, target)
    assert str(error.value).startswith(fault)


def test_a_metric_without_a_lowest_value_may_have_a_target_below_0(collection_of):
    collection = collection_of([5, 4], [5, 4], [5, 4])
    column = curve_column(collection)
    component = replace(column.metric.component, lowest=None)
    columns = (replace(column, metric=replace(column.metric, component=component)), *collection.board.columns[1:])
    assert times_to_target(replace(collection, board=replace(collection.board, columns=columns)), -1.0)
