"""Columns: whose features a metric compares, how many draws, and what is a fault of them."""

import pytest
from board_faults import fault
from board_fixtures import BOARD

from harness.board.reading.load import load_board

METRICS = '{"gap[edges]": }'


def test_a_curve_of_an_unknown_metric_names_the_boards(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{metric: distance, p", "{metric: distances, p")
    assert "no metric of this board is called 'distances'; did you mean 'distance'? there are: distance, lik" in found


def test_more_draws_than_the_evaluation_has_are_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{digits: 3}", "{digits: 3, draws: 9}")
    assert found == "board.yaml:16: draws (9) is above evaluation.draws (2)"


def test_the_minimum_of_one_draw_is_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{digits: 3}", "{draws: 1, show: minimum}")
    assert found == "board.yaml:16: the minimum of one draw is its value: set draws, or evaluation.draws, to 2 or more"


def test_draws_and_pairs_are_the_boards_unless_the_column_says_otherwise(board, write_board, fake_plugins):
    assert [(column.draws, column.floor_pairs) for column in board.columns] == [(2, 4), (2, 4)]
    own = load_board(write_board(BOARD.replace("{digits: 3}", "{draws: 1, floor_pairs: 7}")), plugins=fake_plugins)
    assert [(column.draws, column.floor_pairs) for column in own.columns] == [(2, 4), (1, 7)]


def test_samples_themselves_are_not_compared_with_the_whole_training_set(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{digits: 3}", "{against: train-all}")
    assert found == (
        "board.yaml:16: likeness compares as many samples as real examples: write `against: train`, or leave `against` out"
    )


def test_a_smoke_run_measures_two_pairs(write_board, fake_plugins):
    assert [column.floor_pairs for column in load_board(write_board(), plugins=fake_plugins, smoke=True).columns] == [2, 2]


def test_a_metric_of_the_samples_themselves_has_no_extractor(board):
    assert [(column.label, column.extractor) for column in board.columns] == [("distance", None), ("likeness", None)]


def test_a_column_of_a_smoke_run_says_that_its_features_are_a_stand_in(grids):
    (column,) = grids((METRICS, '{"gap[published]": {metric: gap}}'), smoke=True).columns
    assert column.label == "gap-64[published], stand-in"
    assert grids((METRICS, '{"gap[published]": {metric: gap}}')).columns[0].label == "gap-100[published]"


def test_the_extractor_is_the_one_in_the_brackets(grids):
    (column,) = grids().columns
    assert (column.name, column.label, column.metric.name, column.extractor.name) == (
        "gap[edges]",
        "gap-100[edges]",
        "gap",
        "edges",
    )


def test_one_metric_may_have_columns_of_several_extractors_and_names(grids):
    columns = grids((METRICS, '{"gap[edges]": , "gap[corners]": , "wide[edges]": {metric: gap, label: Wide}}')).columns
    assert [(column.metric.name, column.extractor.name, column.label) for column in columns] == [
        ("gap", "edges", "gap-100[edges]"),
        ("gap", "corners", "gap-100[corners]"),
        ("gap", "edges", "Wide"),
    ]


def test_a_board_of_several_sizes_has_labels_without_a_number(grids):
    (column,) = grids(("samples: 100", "sizes: [100, 500]")).columns
    assert column.label == "gap[edges]"


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("{gap: }", "gap compares features: call the column gap[EXTRACTOR]; extractors: corners, edges"),
        ('{"gap[edgse]": }', "no extractor is called 'edgse'; did you mean 'edges'? installed: corners, edges"),
        ('{"gap[edges]": {extractor: corners}}', "the column is called 'gap[edges]', and its extractor 'corners'"),
        ('{"blur[edges]": }', "blur needs spatial, and edges gives features"),
        ('{"distance[edges]": }', "distance compares the samples themselves: call the column 'distance', without an extractor"),
        ("{distance: {extractor: edges}}", "distance compares the samples themselves: call the column 'distance'"),
        ('{"gpa[edges]": }', "no metric is called 'gpa'; did you mean 'gap'?"),
        ('{"gap[edges]": {extractor: {name: edges, x: 1}}}', "no key is called 'metrics.gap[edges].extractor.x' here; keys: "),
    ],
)
def test_a_fault_of_a_column_is_told_with_its_line(grid_faults, metrics, message):
    (found,) = grid_faults((METRICS, metrics))
    assert found.startswith(f"board.yaml:8: {message}")


def test_a_metric_that_needs_more_images_says_how_many(grid_faults):
    assert grid_faults(("samples: 100", "samples: 40")) == ["board.yaml:8: gap needs 50 images, and there are 40"]


def test_the_smallest_of_several_sizes_must_be_enough(grid_faults):
    assert grid_faults(("samples: 100", "sizes: [500, 40]")) == ["board.yaml:8: gap needs 50 images, and there are 40"]


def test_a_column_may_compare_with_published_statistics(grids):
    plain, published, rank = grids(
        (METRICS, '{"gap[edges]": , "gap[corners]": {reference: grids-8}, "rank[edges]": {reference: grids-8}}')
    ).columns
    assert (plain.reference, published.reference.name, rank.reference.images) == (None, "grids-8", 5_000)
    assert (plain.draws_real, published.draws_real, published.is_one_sided) == (True, False, True)


def test_keys_know_the_reference_by_name_and_version(grids):
    keys = [
        [board.cells[0].key, board.floors[0].key, board.cells[0].sample_key]
        for board in (grids(), grids((METRICS, '{"gap[edges]": {reference: grids-8}}')))
    ]
    assert [one == other for one, other in zip(*keys, strict=True)] == [False, False, True]


def test_a_smoke_run_compares_with_real_examples_and_needs_no_file(grids):
    (column,) = grids((METRICS, '{"gap[edges]": {reference: grids-8}}'), smoke=True).columns
    assert column.reference is None


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (
            '{"gap[edges]": {reference: grids-9}}',
            "no reference is called 'grids-9'; did you mean 'grids-8'? installed: faces, gri",
        ),
        ('{"gap[edges]": {reference: grids-8, against: train}}', "metrics.gap[edges]: has against and reference: keep o"),
        ("{distance: {reference: grids-8}}", "distance compares the samples themselves, and a reference holds statistics of f"),
        ('{"rows[edges]": {reference: grids-8}}', "rows needs features of each real image, and a reference holds mean and cov"),
        ('{"alone[edges]": {reference: grids-8}}', "alone compares with nothing real: leave the reference out"),
        ('{"blur[corners]": {reference: grids-8}}', "blur needs spatial, and reference grids-8 has moments"),
        (
            '{"gap[edges]": {reference: faces}}',
            "reference faces is not of edges, and a distance to other features means nothing: call the column gap[cnn]",
        ),
        (
            '{"gap[edges]": {reference: grids-16}}',
            "reference grids-16 is of images of shape (1, 16, 16), and the dataset's have (1, 8, 8)",
        ),
    ],
)
def test_a_reference_that_the_metric_cannot_take_is_one_line(grid_faults, metrics, message):
    (found,) = grid_faults((METRICS, metrics))
    assert found.startswith(f"board.yaml:8: {message}")
