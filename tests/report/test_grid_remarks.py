from importlib.metadata import EntryPoint

import pytest
from board_fixtures import BOARD

from harness.board.reading.load import load_board
from harness.plugins import Registry
from harness.report.collect import collect_published
from harness.report.grid_remarks import grid_remarks
from harness.report.render import render_published
from harness.report.table import Table
from harness.store.records import Measured

PLUGINS = Registry([EntryPoint(name, name, "harness") for name in ("harness_fake", "harness_fake_settings")])
GRID = "strength: {grid: [0.5, 1.0, 2.0]}, bank: {grid: [10, 20]}"


@pytest.fixture
def board_of(write_board, publish_records):
    """Publishes a board whose method `tune` has a grid; `value` gives the distance of a row, and the base has 0.5."""

    def board_of(value, grid=GRID, leave_out=(), only="base=net"):
        text = BOARD.replace("  tune:\n", f"  tune: {{label: Tune, method: {{name: weigh, {grid}}}, only: '{only}'}}\n")
        board = load_board(write_board(text), plugins=PLUGINS)
        publish_records(board, [])
        for cell in board.cells:
            if cell.skip_reason is None and cell.name not in leave_out:
                distance = value(cell.method.settings) if cell.method_name.startswith("tune") else 0.5
                metrics = {"distance": Measured(values=[distance + 0.01 * cell.seed]), "likeness": Measured(values=[0.5])}
                publish_records(board, [cell], metrics=metrics)
        return board

    return board_of


def lines(board):
    return list(grid_remarks(Table.from_collection(collect_published(board))))


@pytest.mark.parametrize(
    ("best", "edges"),
    [
        ((1.0, 20), "bank 20 (the largest of 2)"),
        ((2.0, 10), "strength 2 (the largest of 3), bank 10 (the smallest of 2)"),
        ((0.5, 10), "strength 0.5 (the smallest of 3), bank 10 (the smallest of 2)"),
    ],
)
def test_a_best_point_at_an_edge_of_its_grid_is_named_with_the_edge_also_of_two_values(board_of, best, edges):
    board = board_of(lambda settings: 0.1 if (settings.strength, settings.bank) == best else 0.2)
    remark = f"Net × Tune: by distance, the best point lies at an edge of the grid, which is to be widened: {edges}"
    assert lines(board) == [remark]
    assert f"\n- {remark}\n" in render_published(board).page


def test_a_grid_that_is_below_its_base_by_rounding_alone_has_no_best_point(board_of):
    """Where selection keeps the base, another process draws its samples: their metric differs in the sixth digit."""
    board = board_of(lambda settings: 0.5 - 1e-6 * (3 - settings.strength) if settings.strength < 2 else 0.6)
    assert lines(board) == ["Net × Tune: by distance, no point of the grid is better than the base"]
    (tie,) = lines(board_of(lambda settings: 0.3 + 1e-6 * settings.strength))
    assert "points tie for the best" in tie


def test_a_best_point_inside_its_grid_needs_no_remark(board_of):
    board = board_of(lambda settings: abs(settings.strength - 1.0), grid="strength: {grid: [0.5, 1.0, 2.0]}, bank: 10")
    assert lines(board) == []


def test_points_that_tie_for_the_best_are_named_and_lie_at_an_edge_where_all_of_them_do(board_of):
    (tie,) = lines(board_of(lambda settings: abs(settings.strength - 1.0)))
    assert tie == "Net × Tune: by distance, points tie for the best: strength 1, bank 10; strength 1, bank 20"
    tie, edge = lines(board_of(lambda settings: settings.strength / 10))
    assert edge.endswith("which is to be widened: strength 0.5 (the smallest of 3)")


def test_a_grid_without_a_point_that_is_better_than_the_base_has_no_best(board_of):
    for distance in (0.5, 0.7):  # the base's own, as where selection keeps the base, and a worse one
        assert lines(board_of(lambda _, distance=distance: distance)) == [
            "Net × Tune: by distance, no point of the grid is better than the base"
        ]


def test_a_grid_on_some_seeds_is_compared_with_the_base_on_these_seeds(board_of):
    # The base has 0.500, 0.510 and 0.520. Points have 0.503 and 0.513: below the base's mean over all seeds, and worse on each.
    only = "base=net,seed=0,1"
    (none,) = lines(board_of(lambda _: 0.503, only=only))
    assert none == "Net × Tune: by distance, no point of the grid is better than the base"
    (tie, *_) = lines(board_of(lambda _: 0.499, only=only))
    assert "points tie for the best" in tie


def test_words_have_no_edges(board_of):
    (tie,) = lines(board_of(lambda _: 0.2, grid="strength: 1.0}, training: {select: {grid: [best, last]}"))
    assert tie.endswith("points tie for the best: select best; select last")


def test_a_grid_that_lacks_seeds_has_no_best_yet(board_of):
    assert lines(board_of(lambda settings: settings.bank / 100, leave_out=["net/tune[strength=1,bank=10]/s2"])) == []


def test_boards_without_grids_have_no_remarks(table):
    assert list(grid_remarks(table)) == []
