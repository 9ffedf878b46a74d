import json
from dataclasses import replace

import pytest
from png_files import decoded, ink, shows

from harness.report.collect import collect_published
from harness.report.plots.plot import COLOURS
from harness.report.plots.sizes import sizes_plot
from harness.report.table import Table


@pytest.fixture
def panels(data_table):
    return json.loads(sizes_plot(data_table).inputs)


def test_each_row_is_a_line_over_the_sizes_smallest_first(panels):
    (panel,) = panels
    assert panel["title"] == "distance ↓"
    good, bad = panel["lines"]
    # A cell's value is the mean of its draws, 0.012 and 0.013, or 0.05 and 0.07, for both seeds.
    assert good == {"label": "as good", "style": 0, "sizes": [100, 200], "means": [pytest.approx(0.0125)] * 2, "sds": [0.0, 0.0]}
    assert (bad["label"], bad["means"]) == ("worse", [pytest.approx(0.06)] * 2)


def test_the_floor_is_a_line_of_its_own(panels):
    floor = panels[0]["floor"]
    assert (floor["label"], floor["sizes"]) == ("floor (real against real)", [100, 200])
    assert floor["means"] == [pytest.approx(0.012)] * 2
    assert floor["sds"] == [pytest.approx(0.00163, abs=1e-5)] * 2


def test_values_are_in_the_unit_of_the_table(data_table):
    (distance, likeness) = data_table.board.columns
    hundredths = replace(distance, config=distance.config.model_copy(update={"shown_in": 0.01}))
    table = replace(data_table, board=replace(data_table.board, columns=(hundredths, likeness)))
    (panel,) = json.loads(sizes_plot(table).inputs)
    assert panel["title"] == "distance ↓ (×1e-2)"
    assert panel["lines"][0]["means"] == [pytest.approx(1.25)] * 2
    assert panel["floor"]["means"] == [pytest.approx(1.2)] * 2


def test_a_size_that_is_not_done_is_left_out_of_the_line(data_table):
    rows = tuple(replace(row, scores={}) if (row.base, row.size) == ("good", 100) else row for row in data_table.rows)
    (panel,) = json.loads(sizes_plot(replace(data_table, rows=rows)).inputs)
    assert [line["sizes"] for line in panel["lines"]] == [[200], [100, 200]]


def test_a_row_without_any_value_has_no_line_and_others_keep_their_look(data_table):
    rows = tuple(replace(row, scores={}) if row.base == "good" else row for row in data_table.rows)
    (panel,) = json.loads(sizes_plot(replace(data_table, rows=rows)).inputs)
    assert [(line["label"], line["style"]) for line in panel["lines"]] == [("worse", 1)]


def test_rows_of_models_are_labelled_with_base_and_method(data_table):
    rows = tuple(replace(row, is_data=False, method_label="fit") for row in data_table.rows)
    (panel,) = json.loads(sizes_plot(replace(data_table, rows=rows)).inputs)
    assert [line["label"] for line in panel["lines"]] == ["as good × fit", "worse × fit"]


def test_rows_of_one_label_have_a_line_each(data_table):
    rows = tuple(replace(row, base_label="as good") for row in data_table.rows)
    (panel,) = json.loads(sizes_plot(replace(data_table, rows=rows)).inputs)
    assert [line["label"] for line in panel["lines"]] == ["as good", "as good"]
    assert [line["means"] for line in panel["lines"]] == [[pytest.approx(0.0125)] * 2, [pytest.approx(0.06)] * 2]


def test_boards_of_one_size_and_boards_where_nothing_is_done_have_no_plot(table, data_board):
    assert sizes_plot(table) is None
    assert sizes_plot(Table.from_collection(collect_published(data_board))) is None


def test_a_floor_alone_is_shown(data_board, publish_records):
    publish_records(data_board, [])
    (panel,) = json.loads(sizes_plot(Table.from_collection(collect_published(data_board))).inputs)
    assert panel["lines"] == []
    assert panel["floor"]["means"] == [pytest.approx(0.012)] * 2


def test_a_column_that_does_not_rank_has_no_panel(panels):
    assert not any("likeness" in panel["title"] for panel in panels)


def test_the_picture_shows_both_rows_and_the_floor(data_table):
    picture = decoded(sizes_plot(data_table).png())
    assert picture.shape == (310, 900, 3)
    assert 0.02 < ink(picture) < 0.6
    for colour in (*COLOURS[:2], "black"):
        assert shows(picture, colour)
    assert not shows(picture, COLOURS[2], least=1), "there is no third row"


def test_sizes_are_written_where_they_are_and_values_on_a_log_scale_where_they_are_far_apart(data_table):
    (axis,) = sizes_plot(data_table).draw().axes
    assert axis.get_xscale() == "log"
    assert [label.get_text() for label in axis.get_xticklabels()] == ["100", "200"]
    assert axis.get_yscale() == "linear", "0.06 is five times 0.012, not more"
    far = tuple(
        replace(row, scores={name: replace(score, mean=score.mean * 2) for name, score in row.scores.items()})
        for row in data_table.rows
    )
    (axis,) = sizes_plot(replace(data_table, rows=far)).draw().axes
    assert axis.get_yscale() == "log"


def test_the_legend_ends_with_the_floor(data_table):
    (legend,) = sizes_plot(data_table).draw().legends
    assert [text.get_text() for text in legend.get_texts()] == ["as good", "worse", "floor (real against real)"]
