"""The boards that search settings: they are grids, and have the records of their rows; README names those that are begun."""

import re
from pathlib import Path

import pytest

from harness.board.reading.load import load_board
from harness.report.collect import collect_published

ROOT = Path(__file__).parents[2]
BOARDS = ROOT / "leaderboards"
README = (ROOT / "README.md").read_text(encoding="utf-8")
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
    board = load_board(BOARDS / name)
    collection = collect_published(board)
    assert (collection.missing_floors, collection.stale) == ([], ())
    # README names a search that is published in part, with the number of its cells.
    done = len(board.cells) - len(collection.missing)
    in_part = re.findall(rf"\({re.escape(f'leaderboards/{name}/README.md')}\) \((\d+) of (\d+) cells so far\)", README)
    assert in_part == ([(str(done), str(len(board.cells)))] if collection.missing else [])
