"""The matrix of paired differences: each two rows of a base, both ways, with the same numbers as `harness compare`."""

import json

import pytest
from board_fixtures import BOARD, DATA_BOARD

from harness.board.reading.load import load_board
from harness.report.comparison import compare, compare_all
from harness.report.render import render_published
from harness.site.pairs import pair_charts
from harness.site.templates import json_data


@pytest.fixture
def group(rendered):
    return pair_charts(rendered.table)


def data_of(chart):
    return json.loads(json_data(chart.data))


def test_a_base_has_a_chart_with_each_two_rows_both_ways(group):
    first, second = group.charts
    assert (first.title, second.title) == ("Net", "Chain")
    assert data_of(first)["rows"] == ["base", "more of it", "tune"]
    assert data_of(second)["rows"] == ["base", "more of it"]
    places = [(cell["y"], cell["x"]) for cell in data_of(first)["cells"][0]]
    assert sorted(places) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    assert len(data_of(first)["metrics"]) == len(data_of(first)["cells"]) == 2


def number(text):
    assert "-" not in text  # the sign is that of the tables
    return float(text.replace("−", "-"))


def test_blue_is_better_whatever_the_direction_of_the_column(group, rendered):
    by_column = dict(
        zip([column.name for column in rendered.table.ranking_columns], data_of(group.charts[0])["cells"], strict=True)
    )
    assert rendered.table.ranking_columns[1].higher_is_better
    for name, is_smaller_better in (("distance", True), ("likeness", False)):
        for cell in by_column[name]:
            assert (cell["colour"] > 0) == ((number(cell["text"]) < 0) == is_smaller_better)


def test_a_cell_and_its_mirror_agree(group):
    cells = {(cell["y"], cell["x"]): cell for cell in data_of(group.charts[0])["cells"][0]}
    for (y, x), cell in cells.items():
        mirror = cells[x, y]
        assert cell["colour"] == -mirror["colour"]
        assert number(cell["text"]) == -number(mirror["text"])
        assert (cell["p"], cell["told"]) == (mirror["p"], mirror["told"])


def test_the_differences_are_those_of_compare_and_p_is_adjusted_for_the_whole_column(rendered):
    column = rendered.table.ranking_columns[0]
    everything = compare_all(rendered.table, column)
    assert len(everything) == 3 + 1
    (one,) = compare(rendered.table, "net/none", "net/tune", [column.name])
    same = next(each for each in everything if (each.first, each.second) == (one.first, one.second))
    assert same.difference == one.difference
    assert one.adjusted_p <= same.adjusted_p <= 4 * one.adjusted_p


def test_the_numbers_stand_in_a_table_too(group):
    chart = group.charts[0]
    assert chart.heads[:2] == ("rows", "column")
    assert {row[0] for row in chart.rows} == {"net/none - net/fit", "net/none - net/tune", "net/fit - net/tune"}


def test_one_seed_compares_nothing(write_board, fake_plugins, publish_records):
    board = load_board(write_board(BOARD.replace("[0, 1, 2]", "[0]")), plugins=fake_plugins)
    publish_records(board)
    assert pair_charts(render_published(board).table) is None


def test_a_board_of_data_compares_no_methods(write_board, fake_plugins, publish_records):
    board = load_board(write_board(DATA_BOARD), plugins=fake_plugins)
    publish_records(board)
    assert pair_charts(render_published(board).table) is None


def test_on_a_crowded_base_only_the_best_point_of_a_grid_is_compared_and_the_caption_says_so(rendered, monkeypatch):
    """`tune` is made a lesser point of a grid here: the rule counts methods, and leaves alone what is no point."""
    monkeypatch.setattr("harness.site.pairs.lesser_points", lambda _: frozenset({("net", "tune")}))
    whole = pair_charts(rendered.table)
    assert "tune" in whole.charts[0].data["rows"]
    monkeypatch.setattr("harness.site.pairs.MOST_ROWS", 2)
    cut = pair_charts(rendered.table)
    assert cut.charts[0].data["rows"] == ["base", "more of it"]
    assert cut.caption == f"{whole.caption}; of each grid, the point that is best in the first column that ranks"
