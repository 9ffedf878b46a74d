import pytest
from matplotlib.figure import Figure

from harness.report.plots.panels import grid_shape, legend_entries, lie_apart, panel_axes, use_log_scale_if_wide


@pytest.fixture
def axis():
    return Figure().subplots()


@pytest.mark.parametrize(("panels", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (1, 3)), (4, (2, 3)), (6, (2, 3)), (7, (3, 3))])
def test_a_grid_is_as_wide_as_allowed_and_as_high_as_needed(panels, shape):
    assert grid_shape(panels, 3) == shape


def test_every_panel_has_an_axis_and_places_left_over_are_empty():
    figure = Figure()
    axes = panel_axes(figure, 4, (2, 3))
    assert len(axes) == 4
    assert [axis.axison for axis in figure.axes] == [True] * 4 + [False] * 2


def test_one_panel_is_a_list_too():
    assert len(panel_axes(Figure(), 1, (1, 1))) == 1


def test_panels_share_what_they_are_asked_to():
    first, second = panel_axes(Figure(), 2, (1, 2), share_y=True)
    first.set(xlim=(0, 9), ylim=(0, 9))
    assert second.get_ylim() == (0, 9)
    assert second.get_xlim() != (0, 9)


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1.0, 5.0], "linear"), ([1.0, 5.1], "log"), ([0.0, 100.0], "linear"), ([-1.0, 100.0], "linear"), ([3.0], "linear")],
)
def test_positive_values_that_span_several_factors_are_on_a_log_scale(axis, values, scale):
    use_log_scale_if_wide(axis, values)
    assert axis.get_yscale() == scale


@pytest.mark.parametrize(
    ("panels", "is_apart"),
    [
        ([[4.0, 20.0], [45.0, 120.0]], True),
        ([[45.0, 120.0], [4.0, 20.0], [130.0]], True),
        ([[4.0, 50.0], [45.0, 120.0]], False),
        ([[4.0, 120.0], [45.0, 50.0]], False),
        ([[4.0, 20.0], [45.0, 120.0], [110.0]], False),
    ],
)
def test_panels_lie_apart_when_no_two_have_values_in_a_common_range(panels, is_apart):
    assert lie_apart(panels) == is_apart


def test_a_log_scale_has_plain_numbers_at_one_two_and_five(axis):
    axis.plot([0, 1], [1, 100])
    use_log_scale_if_wide(axis, [1.0, 100.0])
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert {"1", "2", "5", "10", "20", "50", "100"} <= set(labels)


def test_a_legend_has_each_label_once_with_the_floor_at_the_end():
    first, second = panel_axes(Figure(), 2, (1, 2))
    (floor,) = first.plot([0, 1], [0, 0], label="floor")
    (tuned,) = first.plot([0, 1], [1, 1], label="tune")
    second.plot([0, 1], [1, 1], label="tune")
    (fitted,) = second.plot([0, 1], [2, 2], label="fit")
    assert legend_entries([first, second], last="floor") == ([tuned, fitted, floor], ["tune", "fit", "floor"])


def test_a_legend_without_the_last_label_is_whole(axis):
    axis.plot([0, 1], [1, 1], label="tune")
    assert legend_entries([axis], last="floor")[1] == ["tune"]
