import json

import pytest
from matplotlib.figure import Figure

from harness.report.plots.plot import Plot
from harness.report.render import render_published
from harness.site.charts import plot_charts, short
from harness.site.seed_values import seed_charts
from harness.site.templates import json_data


def json_of(chart):
    """The data of a chart as a page has them."""
    return json.loads(json_data(chart.data))


def charts_of(rendered):
    return {group.name: group for group in plot_charts(rendered.plots)}


def test_curves_show_the_numbers_of_the_plot_in_markdown(rendered):
    plot = next(plot for plot in rendered.plots if plot.name == "curves.png")
    shown = json.loads(plot.inputs)
    group = charts_of(rendered)["curves"]
    assert group.caption == plot.caption
    assert [chart.title for chart in group.charts] == [panel["title"] for panel in shown["panels"]]
    line, drawn = shown["panels"][0]["lines"][0], group.charts[0].data["lines"][0]
    assert drawn["x"] == line["images"]
    assert drawn["mean"] == pytest.approx(line["means"], rel=1e-5)
    assert drawn["high"] == pytest.approx([mean + sd for mean, sd in zip(line["means"], line["sds"], strict=True)], rel=1e-5)
    assert group.charts[0].data["floor"]["mean"] == pytest.approx(shown["floor"]["mean"], rel=1e-5)


def test_panels_beside_each_other_share_one_axis(rendered):
    first, second = (chart.data for chart in charts_of(rendered)["curves"].charts)
    assert first["domain"] == second["domain"]
    for data in (first, second):
        for line in data["lines"]:
            assert min(line["low"]) >= first["domain"][0]
            assert max(line["high"]) <= first["domain"][1]


def test_the_numbers_of_a_chart_stand_in_a_table_too(rendered):
    chart = charts_of(rendered)["curves"].charts[0]
    assert chart.heads == ("Method", "Images seen", "Mean", "SD")
    assert chart.rows[0] == ("more of it", "0", "5.207", "0.2")


def test_a_band_on_a_log_axis_ends_above_zero():
    line = {"label": "a", "style": 0, "images": [0, 10], "means": [1.0, 100.0], "sds": [5.0, 5.0]}
    shown = {"label": "x", "samples": 1, "panels": [{"title": "b", "lines": [line]}], "floor": None, "floor_label": ""}
    (group,) = plot_charts([Plot("curves.png", "c", json.dumps(shown), Figure)])
    assert group.charts[0].data["log"]
    assert group.charts[0].data["lines"][0]["low"] == [0.1, 95.0]


def test_a_sweep_keeps_its_settings_and_looks():
    line = {
        "label": "a",
        "look": "control",
        "values": [0.0, 2.0],
        "x": [1.0, 2.0],
        "x_sds": [0.1, 0.1],
        "y": [3.0, 4.0],
        "y_sds": [0.2, 0.2],
    }
    shown = [{"title": "b", "x_label": "recall ↑", "y_label": "fid ↓", "lines": [line]}]
    (group,) = plot_charts([Plot("sweeps.png", "c", json.dumps(shown), Figure)])
    (chart,) = group.charts
    assert chart.data["lines"][0]["look"] == "control"
    assert chart.rows == (("a", "0", "1", "3"), ("a", "2", "2", "4"))


def test_sizes_have_a_log_axis_of_samples_and_the_floor_among_the_lines():
    line = {"label": "a", "style": 0, "sizes": [100, 200], "means": [1.0, 2.0], "sds": [0.1, 0.1]}
    shown = [{"title": "fid ↓", "floor": {**line, "label": "floor", "style": -1}, "lines": [line]}]
    (group,) = plot_charts([Plot("sizes.png", "c", json.dumps(shown), Figure)])
    assert group.charts[0].data["x_log"]
    assert [each["label"] for each in json_of(group.charts[0])["lines"]] == ["a", "floor"]


def test_what_is_not_finite_is_null():
    assert short(float("inf")) is None
    assert short(1234567.0) == 1234570.0


def test_every_seed_has_its_dot_and_every_pair_of_the_floor(rendered):
    (chart,) = seed_charts(rendered.table).charts
    assert chart.data["floors"][0] == pytest.approx([1.0, 1.2, 1.4, 1.2])
    row = next(row for row in chart.data["rows"] if row["label"] == "Net × more of it")
    assert row["values"][0] == pytest.approx([2.5, 2.61, 2.7])
    assert row["means"][0] == pytest.approx(2.60333)


def test_a_board_that_nobody_ran_has_no_charts(board):
    rendered = render_published(board)
    assert plot_charts(rendered.plots) == []
    assert seed_charts(rendered.table) is None


def grids(y_name, y, means, sds):
    panel = {
        "title": "Net, ddo", "value_label": "FID", "higher_is_better": False, "x_name": "alpha", "x": ["1", "4"],
        "y_name": y_name, "y": y, "means": means, "sds": sds, "untrained": 5.0,
    }  # fmt: skip
    (group,) = plot_charts([Plot("grids.png", "over the settings", json.dumps([panel]), Figure)])
    (chart,) = group.charts
    return chart


def test_a_grid_of_two_settings_is_a_heat_map_without_what_is_not_done():
    chart = grids("beta", ["0.1", "0.5"], [[3.0, 2.0], [4.0, None]], [[0.1, 0.2], [0.3, 0.0]])
    assert chart.kind == "map"
    assert [(cell["x"], cell["y"], cell["mean"]) for cell in json_of(chart)["cells"]] == [
        ("1", "0.1", 3.0),
        ("4", "0.1", 2.0),
        ("1", "0.5", 4.0),
    ]
    assert chart.heads == ("beta", "alpha", "Mean", "SD")
    assert chart.rows[1] == ("0.1", "4", "2", "0.2")
    assert json_of(chart)["untrained"] == 5.0


def test_a_grid_of_one_setting_has_its_values_side_by_side():
    chart = grids("", [""], [[3.0, 2.0]], [[0.1, 0.2]])
    assert chart.kind == "bars"
    assert chart.heads == ("alpha", "Mean", "SD")
    assert chart.rows == (("1", "3", "0.1"), ("4", "2", "0.2"))
