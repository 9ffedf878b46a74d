import json
import shutil
from dataclasses import replace

import pytest
from board_fixtures import SAMPLER_BOARD
from png_files import decoded, ink, shows

from harness.report.collect import collect_published
from harness.report.plots.plot import COLOURS
from harness.report.plots.sweeps import SweepLine, SweepPanel, _draw, _style, sweeps_plot
from harness.report.table import Table
from harness.store.records import Measured


@pytest.fixture
def make_table(load, publish_records):
    """The table of a board with a sweep. The distance is 10 + weight, the likeness 0.1 weight, and 0.01 more for each seed."""

    def make(*changes):
        control = ("  fit:", "  mle: {method: fit, training: {batch: 64}}\n  fit:")
        board = load(control, *changes, text=SAMPLER_BOARD)
        publish_records(board, [])
        for cell in board.cells:
            if cell.skip_reason is None:
                point = cell.row.sampled_with.point
                weight, more = (0 if point is None else point.value), 0.01 * cell.seed
                values = {"distance": (10 + weight + more) / 100, "likeness": 0.1 * weight + more}
                publish_records(board, [cell], metrics={name: Measured(values=[value]) for name, value in values.items()})
        return Table.from_collection(collect_published(board))

    return make


@pytest.fixture
def panels(make_table):
    return json.loads(sweeps_plot(make_table()).inputs)


def test_each_base_has_a_panel_with_a_line_a_method_ordered_by_the_setting(panels):
    assert [panel["title"] for panel in panels] == ["Net", "Chain"]
    assert (panels[0]["x_label"], panels[0]["y_label"]) == ("likeness ↑", "distance ↓ (×1e-2)")
    fit = {line["label"]: line for line in panels[0]["lines"]}["more of it"]
    assert fit["values"] == [0.0, 0.5, 2.0]
    # The mean over the seeds 0, 1 and 2, whose standard deviation is 0.01.
    assert fit["y"] == [pytest.approx(10.01), pytest.approx(10.51), pytest.approx(12.01)]
    assert fit["x"] == [pytest.approx(0.01), pytest.approx(0.06), pytest.approx(0.21)]
    assert fit["x_sds"] == [pytest.approx(0.01)] * 3 == fit["y_sds"]


def test_the_control_and_the_base_have_looks_of_their_own(panels):
    looks = {line["label"]: line["look"] for line in panels[0]["lines"]}
    assert looks == {"base": "base", "mle": "control", "more of it": 0, "tune": 1}


def test_a_label_has_one_look_in_all_panels_since_they_share_a_legend(make_table):
    """A panel that lacks a method gave the next one its colour, which the legend explained as the other's."""
    table = make_table()
    rows = tuple(row for row in table.rows if (row.base, row.method_label) != ("net", "more of it"))
    panels = json.loads(sweeps_plot(replace(table, rows=rows)).inputs)
    looks = [{line["label"]: line["look"] for line in panel["lines"]} for panel in panels]
    assert (looks[0]["tune"], looks[1]["more of it"]) == (0, 1)


def test_the_caption_says_what_is_drawn_and_which_corner_is_good(make_table):
    caption = sweeps_plot(make_table()).caption
    assert caption.startswith("distance against likeness, a line a method on the same weights, with the weight beside each point")
    assert "black is the control, grey the base without training" in caption
    assert caption.endswith("towards the lower right corner both are better")


def test_a_point_without_results_is_left_out(make_table):
    table = make_table()
    rows = tuple(replace(row, scores={}) if (row.base, row.sampler) == ("net", "push-2") else row for row in table.rows)
    panels = json.loads(sweeps_plot(replace(table, rows=rows)).inputs)
    assert {len(line["values"]) for line in panels[0]["lines"]} == {2}
    assert {len(line["values"]) for line in panels[1]["lines"]} == {3}


def test_a_second_sweep_has_panels_of_its_own(make_table):
    panels = json.loads(sweeps_plot(make_table(("walking: walk,", "pull: {name: push, sweep: {weight: [5, 6]}},"))).inputs)
    assert [panel["title"] for panel in panels] == ["Net, pull", "Chain, pull", "Net, Push", "Chain, Push"]


def test_of_several_numbers_of_samples_the_largest_is_shown(make_table):
    (panel, _) = json.loads(sweeps_plot(make_table(("{samples: 100, draws", "{sizes: [50, 200], draws"))).inputs)
    assert [len(line["values"]) for line in panel["lines"]] == [3] * 4


def test_without_a_sweep_two_columns_that_rank_or_results_there_is_no_plot(make_table, table):
    assert sweeps_plot(table) is None
    assert sweeps_plot(make_table(("likeness: {", "likeness: {ranks: false, "))) is None
    board = make_table().board
    shutil.rmtree(board.folder / "results")
    assert sweeps_plot(Table.from_collection(collect_published(board))) is None


def test_the_picture_shows_each_method_the_control_and_the_weights(make_table):
    plot = sweeps_plot(make_table())
    picture = decoded(plot.png())
    assert 0.01 < ink(picture) < 0.6
    for colour in (*COLOURS[:2], "black"):
        assert shows(picture, colour)
    left, right = plot.draw().axes
    assert [text.get_text() for text in left.texts] == ["0", "0.5", "2"] * 4
    assert (left.get_xlabel(), right.get_title()) == ("likeness ↑", "Chain")


def test_no_method_has_the_grey_of_the_base_and_the_first_ones_look_apart():
    styles = [_style(index) for index in range(20)]
    assert all(style["color"] != _style("base")["color"] for style in styles)
    assert len({tuple(style.values()) for style in styles}) == 20


def test_distances_that_span_several_factors_are_on_a_log_scale():
    line = SweepLine("a", 0, (0.0, 1.0), (0.1, 0.2), (0.0, 0.0), (2.0, 40.0), (0.1, 0.1))
    (axis,) = _draw([SweepPanel("Net", "x", "y", (line,))]).axes
    assert axis.get_yscale() == "log"
    (axis,) = _draw([SweepPanel("Net", "x", "y", (replace(line, y=(2.0, 4.0)),))]).axes
    assert axis.get_yscale() == "linear"
