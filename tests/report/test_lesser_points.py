"""Of each grid and base, all points but the best by the first column that ranks are left out of plots."""

from importlib.metadata import EntryPoint

import pytest
from board_fixtures import BOARD

from harness.board.reading.load import load_board
from harness.plugins import Registry
from harness.report.collect import collect_published
from harness.report.lesser_points import lesser_points
from harness.report.table import Table
from harness.store.records import Measured

PLUGINS = Registry([EntryPoint(name, name, "harness") for name in ("harness_fake", "harness_fake_settings")])
TUNE = "  tune: {label: Tune, method: {name: weigh, strength: {grid: [0.5, 1.0, 2.0]}, bank: 10}, only: base=net}\n"
POINTS = ["tune[strength=0.5]", "tune[strength=1]", "tune[strength=2]"]


@pytest.fixture
def collection_of(write_board, publish_records):
    """Publishes a board whose method `tune` has a grid; `values` gives the distance of each point, None for none."""

    def collection_of(*values):
        board = load_board(write_board(BOARD.replace("  tune:\n", TUNE)), plugins=PLUGINS)
        publish_records(board, [])
        for cell in board.cells:
            value = dict(zip(POINTS, values, strict=True)).get(cell.method_name, 0.5)
            if cell.skip_reason is None and value is not None:
                metrics = {"distance": Measured(values=[value] * 2), "likeness": Measured(values=[0.5] * 2)}
                publish_records(board, [cell], metrics=metrics)
        return collect_published(board)

    return collection_of


@pytest.mark.parametrize(
    ("values", "best"),
    [((0.3, 0.2, 0.4), 1), ((0.3, 0.3, 0.3), 0), ((None, 0.9, 0.8), 2), ((None, None, None), 0)],
    ids=["the lowest", "the first of equals", "one with a result", "none has a result"],
)
def test_all_points_of_a_grid_but_the_best_are_lesser_ones(collection_of, values, best):
    table = Table.from_collection(collection_of(*values))
    assert lesser_points(table) == {("net", point) for number, point in enumerate(POINTS) if number != best}


def test_a_point_that_lacks_a_seed_is_beaten_by_a_whole_one(write_board, publish_records):
    board = load_board(write_board(BOARD.replace("  tune:\n", TUNE)), plugins=PLUGINS)
    publish_records(board, [])
    for cell in board.cells:
        # The first point's seeds have 0.1, 0.5 and 0.9, of which the last one lacks; the others have 0.4 in each.
        value = (0.1, 0.5, 0.9)[cell.seed] if cell.method_name == POINTS[0] else 0.4
        if cell.skip_reason is None and (cell.method_name, cell.seed) != (POINTS[0], 2):
            publish_records(
                board, [cell], metrics={"distance": Measured(values=[value] * 2), "likeness": Measured(values=[0.5] * 2)}
            )
    table = Table.from_collection(collect_published(board))
    assert lesser_points(table) == {("net", POINTS[0]), ("net", POINTS[2])}


def test_a_board_without_grids_has_no_lesser_points(table):
    assert lesser_points(table) == frozenset()
