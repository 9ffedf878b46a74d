import math

import pytest
from png_files import decoded, shows

from harness.report.plots.plot import COLOURS, Plot
from harness.report.plots.points import box_around, outside, points_figure
from harness.report.plots.sample_panel import SamplePanel
from harness.report.preview import Preview

SQUARE = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
GREY = "#A8A8A8"


def panel(points, method="fit", base="Net"):
    return SamplePanel(base, method, Preview("x", points))


def picture(panels, real=SQUARE):
    return decoded(Plot("samples.png", "", "", lambda: points_figure(real, panels)).png())


def test_the_box_is_the_real_points_with_a_margin_of_their_larger_extent():
    # The points are 4 wide and 2 high: 15 % of 4 is 0.6.
    x, y = box_around([[-1.0, 0.0], [3.0, 2.0]])
    assert x == pytest.approx((-1.6, 3.6))
    assert y == pytest.approx((-0.6, 2.6))


def test_points_are_counted_outside_when_any_coordinate_is():
    box = ((0.0, 1.0), (0.0, 1.0))
    assert outside(SQUARE, box) == 0, "the edge belongs to the box"
    assert outside([[0.5, 1.1], [-0.1, 0.5], [0.5, 0.5]], box) == 2
    assert outside([[math.nan, 0.5], [0.5, math.inf]], box) == 2


def test_generated_points_are_blue_over_grey_real_ones():
    real = [[x / 30, y / 30] for x in range(31) for y in range(31)]
    generated = [[0.4 + x / 100, 0.4 + y / 100] for x in range(20) for y in range(20)]
    shown = picture([panel(generated)], real)
    assert shows(shown, GREY, least=100)
    assert shows(shown, COLOURS[0], least=100)


def test_without_generated_points_nothing_is_blue():
    assert not shows(picture([panel([])]), COLOURS[0], least=1)


def test_each_panel_has_its_method_and_says_how_many_points_are_not_shown():
    figure = points_figure(SQUARE, [panel([[0.5, 0.5], [9.0, 9.0], [math.nan, 0.0]]), panel([[0.5, 0.5]], "tune", "Chain")])
    assert [axis.get_title() for axis in figure.axes] == ["fit", "tune"]
    assert [axis.texts[0].get_text() for axis in figure.axes] == ["Net, 2 of 3 outside", "Chain"]


def test_a_title_that_is_wider_than_its_panel_goes_on_in_a_second_line():
    """It was cut at the left edge of the figure."""
    panels = [panel([[0.5, 0.5]], "SFT-PG (B), five updates a phase, lr 5e-05"), *[panel([[0.5, 0.5]])] * 3]
    figure = points_figure(SQUARE, panels)
    assert figure.axes[0].get_title() == "SFT-PG (B), five updates a\nphase, lr 5e-05"
    figure.draw_without_rendering()
    box = figure.axes[0].title.get_window_extent()
    assert box.x0 > 0
    assert box.x1 < figure.axes[1].title.get_window_extent().x0


def test_all_panels_show_the_same_box_at_one_scale():
    figure = points_figure(SQUARE, [panel([[0.5, 0.5]]), panel([[50.0, 50.0]])])
    limits = {(axis.get_xlim(), axis.get_ylim()) for axis in figure.axes}
    assert limits == {box_around(SQUARE)}
    assert {axis.get_aspect() for axis in figure.axes} == {1.0}


def test_a_fifth_panel_begins_a_second_line():
    heights = [points_figure(SQUARE, [panel(SQUARE)] * number).get_figheight() for number in (1, 4, 5)]
    assert heights[0] == heights[1] == heights[2] / 2
