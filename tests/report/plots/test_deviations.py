import json
from dataclasses import replace

import pytest
from png_files import decoded, shows

from harness.report.collect import collect_published
from harness.report.plots.deviations import AT_FLOOR, BETTER, EDGES, MISSING, WORSE, colour, deviations_of, deviations_plot, short
from harness.report.scores import score_of
from harness.report.table import Table


def with_floor(table, *, mean, sd):
    """The table with another floor: four pairs of this mean and standard deviation."""
    draws = [mean - sd * 0.75**0.5] * 2 + [mean + sd * 0.75**0.5] * 2
    floors = {name: replace(floor, values=draws) for name, floor in table.draws.items()}
    return replace(table, floors={name: score_of(draws) for name in table.floors}, draws=floors)


def test_deviations_are_counted_from_the_floor_in_its_standard_deviations(data_table):
    # The floor is 0.012 with deviation 0.00163: 0.0125 is 0.31 of it away, 0.06 is 29.4.
    shown = deviations_of(data_table)
    assert (shown.rows, shown.metrics, shown.sizes) == (("as good", "worse"), ("distance",), (100, 200))
    good, bad = shown.deviations
    assert good == ((pytest.approx(0.306, abs=1e-3),) * 2,)
    assert bad == ((pytest.approx(29.39, abs=1e-2),) * 2,)


def test_better_than_the_floor_is_below_zero_whatever_the_direction(data_table):
    # With a floor of 0.02 ± 0.001, 0.0125 is 7.5 deviations lower and 0.06 is 40 higher.
    table = with_floor(data_table, mean=0.02, sd=0.001)
    shown = deviations_of(table)
    assert [row[0][0] for row in shown.deviations] == [pytest.approx(-7.5), pytest.approx(40)]
    assert shown.told == (((True, True),),) * 2
    (distance, likeness) = table.board.columns
    upward = replace(distance, metric=replace(distance.metric, component=likeness.metric.component))
    table = replace(table, board=replace(table.board, columns=(upward,)))
    assert [row[0][0] for row in deviations_of(table).deviations] == [pytest.approx(7.5), pytest.approx(-40)]


def test_bases_of_one_label_have_a_line_each(data_table):
    rows = tuple(replace(row, base_label="as good") for row in data_table.rows)
    shown, expected = deviations_of(replace(data_table, rows=rows)), deviations_of(data_table)
    assert shown.rows == ("as good", "as good")
    assert shown.deviations == expected.deviations


def test_a_row_is_told_by_the_test_of_the_dagger_and_not_by_its_distance(data_table):
    # Four draws of a row, 1.9 deviations above the mean of four pairs: t = 1.9 / sqrt(1/4 + 1/4) = 2.69, 3 degrees of freedom.
    near = deviations_of(with_floor(data_table, mean=0.0125 - 1.9e-4, sd=1e-4))
    assert (near.deviations[0][0][0], near.told[0][0][0]) == (pytest.approx(1.9), False)
    far = deviations_of(with_floor(data_table, mean=0.0125 - 2.3e-4, sd=1e-4))  # t = 3.25
    assert (far.deviations[0][0][0], far.told[0][0][0]) == (pytest.approx(2.3), True)
    whole = with_floor(data_table, mean=0.0125 - 2.3e-4, sd=1e-4)
    many = {name: replace(floor, values=[*floor.values] * 5) for name, floor in whole.draws.items()}
    told = deviations_of(replace(whole, draws=many))
    assert told.told == (((True, True),),) * 2


def test_colours_are_of_the_marks_of_the_table(data_table):
    marked = {(row.base, row.size): "distance" in row.at_floor for row in data_table.rows}
    assert marked == {("good", 100): True, ("good", 200): True, ("bad", 100): False, ("bad", 200): False}
    assert deviations_of(data_table).told == (((False, False),), ((True, True),))


def test_a_floor_without_a_spread_tells_nothing(data_table):
    assert deviations_of(with_floor(data_table, mean=0.01, sd=0.0)) is None


def test_a_floor_of_too_few_pairs_for_a_test_tells_nothing(data_table):
    few = {name: replace(floor, values=floor.values[:3]) for name, floor in data_table.draws.items()}
    assert deviations_of(replace(data_table, draws=few)) is None


def test_a_number_that_is_missing_is_a_gap(data_table):
    rows = tuple(row for row in data_table.rows if (row.base, row.size) != ("bad", 100))
    shown = deviations_of(replace(data_table, rows=rows))
    assert shown.deviations[1] == ((None, pytest.approx(29.39, abs=1e-2)),)


def test_boards_of_models_and_boards_without_records_have_no_plot(table, data_board):
    assert deviations_plot(table) is None
    assert deviations_plot(Table.from_collection(collect_published(data_board))) is None


def test_a_column_that_does_not_rank_is_not_shown(data_table):
    assert "likeness" not in deviations_plot(data_table).inputs


def test_the_caption_says_which_sizes_stand_beside_one_another(data_table):
    assert deviations_plot(data_table).caption.endswith("standard deviations of its pairs, from left to right at n = 100, 200")
    one_size = replace(data_table, board=replace(data_table.board, floors=data_table.board.floors[:1]))
    assert deviations_plot(one_size).caption.endswith("standard deviations of its pairs")


def test_other_numbers_make_the_plot_stale(data_table):
    before = deviations_plot(data_table)
    assert deviations_plot(with_floor(data_table, mean=0.02, sd=0.001)).digest != before.digest
    assert set(json.loads(before.inputs)) == {"rows", "metrics", "sizes", "deviations", "told"}


@pytest.mark.parametrize(
    ("deviation", "expected"),
    [
        (None, MISSING),
        (0.4, WORSE[0]),
        (5.0, WORSE[0]),
        (29.4, WORSE[2]),
        (1e9, WORSE[3]),
        (-0.3, BETTER[0]),
        (-6.0, BETTER[1]),
    ],
)
def test_the_colour_of_a_value_that_is_told_says_side_and_distance(deviation, expected):
    assert colour(deviation, is_told=True) == expected


@pytest.mark.parametrize("deviation", [0.0, 1.9, -2.6, 30.0])
def test_what_no_test_tells_is_white_and_has_no_number(deviation):
    assert (colour(deviation, is_told=False), short(deviation, is_told=False)) == (AT_FLOOR, "")


def test_each_edge_begins_a_darker_colour():
    from PIL import ImageColor

    for sign in (1, -1):
        distances = [0.1, *(edge + 0.1 for edge in EDGES)]
        shades = [sum(ImageColor.getrgb(colour(sign * distance, is_told=True))) for distance in distances]
        assert shades == sorted(shades, reverse=True)
        assert len(set(shades)) == len(EDGES) + 1


@pytest.mark.parametrize(
    ("deviation", "text"), [(None, ""), (0.85, "0.8"), (-2.6, "2.6"), (-29.4, "29"), (999.4, "999"), (15_400.0, "15k")]
)
def test_the_number_on_a_colour_has_no_sign(deviation, text):
    assert short(deviation, is_told=True) == text


def test_the_picture_shows_the_colours_of_its_cells(data_table):
    picture = decoded(deviations_plot(data_table).png())
    assert picture.shape == (241, 900, 3)  # 1.75 inches and 0.33 for each of two rows
    assert shows(picture, WORSE[2], least=5000), "the worse row, 29 deviations away"
    assert shows(picture, BETTER[0], least=50), "the legend has every colour"
    assert not shows(picture, MISSING, least=50)


def test_rows_metrics_and_sizes_are_written_beside_the_cells(data_table):
    figure = deviations_plot(data_table).draw()
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["as good", "worse"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["100", "200"]
    texts = [text.get_text() for text in axis.texts]
    assert texts == ["", "", "29", "29", "distance"]
    assert len(figure.legends[0].get_texts()) == 2 + len(WORSE) + len(BETTER)
