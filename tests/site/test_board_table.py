import pytest
from board_fixtures import SAMPLER_BOARD

from harness.board.reading.load import load_board
from harness.report.render import render_published
from harness.site.board_table import board_table


def table_of(rendered):
    return board_table(rendered.table, rendered.content.collection)


def test_floors_come_first_and_each_row_has_its_seeds_one_by_one(rendered):
    table = table_of(rendered)
    assert [row.is_floor for row in table.rows] == [True] + [False] * 6
    row = next(row for row in table.rows if row.names == ("Net", "more of it"))
    assert [seed.seed for seed in row.seeds] == [0, 1, 2]
    assert [seed.cells[0] for seed in row.seeds] == ["2.50", "2.61", "2.70"]
    assert row.seeds[1].page == "records/net__fit__s1.html"


def test_every_row_has_a_cell_for_every_head(rendered):
    table = table_of(rendered)
    for row in table.rows:
        assert len(row.names) + len(row.figures) + len(row.others) == len(table.heads)
        assert len(row.sort_values) == len(row.others)
        assert all(len(seed.cells) == len(row.figures) + len(row.others) for seed in row.seeds)


def test_rows_are_sorted_by_numbers_in_the_unit_of_the_table(rendered):
    row = next(row for row in table_of(rendered).rows if row.names == ("Net", "more of it"))
    assert row.figures[0].value == pytest.approx((2.5 + 2.61 + 2.7) / 3)
    assert row.sort_values[:-1] == pytest.approx((3, 10, 50_178, 1280, 3.2))
    assert row.sort_values[-1] is None


def test_a_seed_without_a_result_says_why(board, publish_records, change_record):
    publish_records(board, [cell for cell in board.cells if cell.name != "net/fit/s2"])
    change_record(board, "net/fit/s1", status="diverged", reason="loss is nan\nat step 3", metrics={})
    row = next(row for row in table_of(render_published(board)).rows if row.names == ("Net", "more of it"))
    assert [seed.cells[-1] for seed in row.seeds] == ["", "diverged: loss is nan", "not run"]
    assert [seed.cells[0] for seed in row.seeds] == ["2.50", "–", "–"]
    assert row.seeds[2].page == ""


def test_a_seed_whose_record_is_stale_says_so(board, publish_records):
    publish_records(board)
    publish_records(board, [cell for cell in board.cells if cell.name == "net/fit/s2"], key="0" * 24)
    row = next(row for row in table_of(render_published(board)).rows if row.names == ("Net", "more of it"))
    assert [seed.cells[-1] for seed in row.seeds] == ["", "", "stale"]


def test_filters_name_the_values_of_rows_and_none_of_floors(rendered):
    assert table_of(rendered).filters == [(0, "Base", ["Net", "Chain"]), (1, "Method", ["base", "more of it", "tune"])]


def test_a_board_of_samplers_has_a_column_of_them_that_filters(write_board, fake_plugins, publish_records):
    board = load_board(write_board(SAMPLER_BOARD), plugins=fake_plugins)
    publish_records(board)
    table = table_of(render_published(board))
    assert [head.text for head in table.name_heads] == ["Base", "Method", "Sampler"]
    assert table.filters[2][2][:2] == ["Plain", "walking"]
