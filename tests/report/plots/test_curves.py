import json

import pytest
from png_files import decoded, ink, shows

from harness.report.collect import collect_published
from harness.report.plots.curves import Curves, _draw, curves_plot
from harness.report.plots.plot import COLOURS, Plot
from harness.report.plots.seed_lines import Line, Panel
from harness.report.scores import Score

IMAGES = [0, 320, 640]


@pytest.fixture
def publish_curves(board, publish_records):
    """Publishes curves of `net/fit`: a list of values for each seed, measured at 0, 320 and 640 images."""

    def publish(*values_of_seeds, **fields):
        cells = [cell for cell in board.cells if cell.row.name == "net/fit"]
        for cell, values in zip(cells, values_of_seeds, strict=False):
            curve = [{"images": images, "value": value} for images, value in zip(IMAGES, values, strict=True)]
            publish_records(board, [cell], curve=curve, **fields)
        return collect_published(board)

    return publish


def inputs(collection):
    return json.loads(curves_plot(collection).inputs)


def line(label="fit", style=0, values=(3.0, 2.0, 1.0)):
    return Line(label, style, tuple(IMAGES), tuple(values), (0.1,) * 3)


def drawn(*panels, floor=Score(0.5, 0.1, 4)):  # noqa: B008 - a score does not change
    return _draw(Curves("distance", 100, panels, floor, "floor (real against real)"))


def test_a_curve_is_the_mean_and_deviation_over_seeds_in_the_unit_of_the_table(publish_curves):
    # In hundredths: the means of 3 and 5, 2 and 2, 1 and 2; with two seeds the deviation is half the difference times √2.
    shown = inputs(publish_curves([0.03, 0.02, 0.01], [0.05, 0.02, 0.02]))
    assert shown["label"] == "distance (×1e-2)"
    (panel,) = shown["panels"]
    (fit,) = panel["lines"]
    assert (panel["title"], fit["label"], fit["images"]) == ("Net", "more of it", IMAGES)
    assert fit["means"] == pytest.approx([4.0, 2.0, 1.5])
    assert fit["sds"] == pytest.approx([2**0.5, 0.0, 0.5**0.5])


def test_one_seed_has_no_band(publish_curves):
    assert inputs(publish_curves([3.0, 2.0, 1.0]))["panels"][0]["lines"][0]["sds"] == [0.0] * 3


def test_the_floor_is_in_the_same_unit(publish_curves):
    shown = inputs(publish_curves([3.0, 2.0, 1.0]))
    assert shown["floor"] == {"mean": pytest.approx(1.2), "sd": pytest.approx(0.163, abs=1e-3), "n": 4}
    assert shown["floor_label"] == "floor (real against real)"


def test_a_floor_of_another_number_of_samples_is_left_out_and_the_caption_says_so(load, publish_records):
    board = load(("points: 4, samples: 100", "points: 4, samples: 50"))
    publish_records(board)
    plot = curves_plot(collect_published(board))
    assert json.loads(plot.inputs)["floor"] is None
    assert "at 50 samples and on seeds apart from the evaluation's" in plot.caption
    assert plot.caption.endswith("; the floor is left out, which is of 100 samples")


@pytest.mark.parametrize(("against", "other"), [("train", "training examples"), ("selection", None), ("evaluation", None)])
def test_a_floor_against_other_real_examples_than_the_curves_is_left_out_and_the_caption_says_so(
    load, publish_records, against, other
):
    board = load(("distance: {", f"distance: {{against: {against}, "))
    publish_records(board)
    plot = curves_plot(collect_published(board))
    assert (json.loads(plot.inputs)["floor"] is None) == (other is not None)
    about = f"; against held-out examples, where the column is against {other}, so that there is no floor"
    assert plot.caption.endswith(about if other else "band of one standard deviation")


def test_each_base_has_a_panel_and_each_method_its_own_look(collection):
    shown = inputs(collection)
    assert [panel["title"] for panel in shown["panels"]] == ["Net", "Chain"]
    looks = [(line["label"], line["style"]) for panel in shown["panels"] for line in panel["lines"]]
    assert looks == [("more of it", 0), ("tune", 1), ("more of it", 0)]


def test_lesser_points_of_grids_have_no_line_and_the_caption_says_so(collection):
    plot = curves_plot(collection, {("net", "fit")})
    labels = [[line["label"] for line in panel["lines"]] for panel in json.loads(plot.inputs)["panels"]]
    assert labels == [["tune"], ["more of it"]]
    assert plot.caption.endswith("; of each grid, the point that is best in the first column that ranks")


@pytest.mark.parametrize("fields", [{"status": "diverged"}, {"status": "failed"}])
def test_cells_that_are_not_done_have_no_curve(publish_curves, fields):
    assert curves_plot(publish_curves([3.0, 2.0, 1.0], **fields)) is None


def test_without_a_curve_or_a_done_cell_there_is_no_plot(board, load, publish_records):
    assert curves_plot(collect_published(board)) is None
    plain = load(("curve: {metric: distance, points: 4, samples: 100}", ""))
    publish_records(plain)
    assert curves_plot(collect_published(plain)) is None


def test_other_curves_make_the_plot_stale_and_other_metrics_do_not(publish_curves):
    before = curves_plot(publish_curves([3.0, 2.0, 1.0])).digest
    assert curves_plot(publish_curves([3.0, 2.0, 1.0], metrics={"likeness": {"values": [1.0]}})).digest == before
    assert curves_plot(publish_curves([3.0, 2.0, 1.1])).digest != before


def test_the_picture_shows_each_line_in_its_colour_and_the_floor_in_black(collection):
    picture = decoded(curves_plot(collection).png())
    assert picture.shape == (360, 900, 3)
    assert 0.02 < ink(picture) < 0.6
    for colour in (*COLOURS[:2], "black"):
        assert shows(picture, colour)
    assert not shows(picture, COLOURS[2], least=1), "there is no third method"


def test_panels_have_titles_and_one_legend():
    figure = drawn(Panel("Net", (line(), line("tune", 1))), Panel("Chain", (line(),)), Panel("Token", (line(),)))
    assert [axis.get_title() for axis in figure.axes] == ["Net", "Chain", "Token", ""]
    assert figure.axes[0].get_xlabel() == "images seen"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["fit", "tune", "floor (real against real)"]


def test_values_that_span_several_factors_are_on_a_log_scale_where_the_band_stays_above_zero():
    wide = Line("fit", 0, tuple(IMAGES), (100.0, 10.0, 1.0), (200.0, 20.0, 2.0))
    (axis, *_) = drawn(Panel("Net", (wide,)), floor=None).axes
    assert axis.get_yscale() == "log"
    assert min(path.vertices[:, 1].min() for path in axis.collections[0].get_paths()) == pytest.approx(0.1)
    assert drawn(Panel("Net", (line(),)), floor=None).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize(("values", "is_shared"), [((20.0, 2.0), True), ((120.0, 45.0), False)])
def test_panels_that_lie_apart_have_scales_of_their_own(values, is_shared):
    first, second = drawn(
        Panel("A", (line(values=(9.0, 6.0, 3.0)),)), Panel("B", (line(values=(*values, values[1])),)), floor=None
    ).axes[:2]
    assert (first.get_ylim() == second.get_ylim()) == is_shared
    assert first.get_yscale() == ("log" if is_shared else "linear")


def test_a_board_whose_floor_is_not_measured_is_drawn_without_it():
    figure = drawn(Panel("Net", (line(),)), floor=None)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["fit"]
    assert Plot("curves.png", "", "", lambda: figure).png()


def test_rows_of_several_samplers_have_one_curve(sampler_collection):
    panels = inputs(sampler_collection)["panels"]
    assert [[line["label"] for line in panel["lines"]] for panel in panels] == [["more of it", "tune"], ["more of it"]]
