"""The boards that search settings: they are grids, and their published records are those of their rows."""

from pathlib import Path

import pytest

from harness.board.reading.load import load_board
from harness.report.collect import collect_published

BOARDS = Path(__file__).parents[2] / "leaderboards"
SEARCHES = sorted(path.parent.name for path in BOARDS.glob("*-search/board.yaml"))


@pytest.mark.parametrize("name", SEARCHES)
def test_most_rows_of_a_search_are_points_of_grids(name):
    board = load_board(BOARDS / name)
    rows = {cell.row.name: cell.row.method_name for cell in board.cells if cell.trains}
    points = {method for grid in board.grids for method in grid.methods}
    by_hand = {method for method in rows.values() if method not in points}
    assert len(by_hand) <= 2 < len([row for row, method in rows.items() if method in points])


@pytest.mark.parametrize("name", [name for name in SEARCHES if (BOARDS / name / "results").is_dir()])
def test_every_row_of_a_published_search_has_the_record_of_its_key(name):
    collection = collect_published(load_board(BOARDS / name))
    assert (collection.missing, collection.missing_floors, collection.stale) == ([], [], ())
