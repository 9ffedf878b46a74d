import json
from dataclasses import replace

import pytest
from png_files import decoded, shows

from harness.report.collect import collect_published
from harness.report.plots.deviations import AT_FLOOR, BETTER, EDGES, MISSING, WORSE, colour, deviations_of, deviations_plot, short
from harness.report.scores import Score
from harness.report.table import Table


def with_floor(table, *, mean, sd):
    return replace(table, floors={name: Score(mean, sd, 10) for name in table.floors})


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
    assert [row[0][0] for row in deviations_of(table).deviations] == [pytest.approx(-7.5), pytest.approx(40)]
    (distance, likeness) = table.board.columns
    upward = replace(distance, metric=replace(distance.metric, component=likeness.metric.component))
    table = replace(table, board=replace(table.board, columns=(upward,)))
    assert [row[0][0] for row in deviations_of(table).deviations] == [pytest.approx(7.5), pytest.approx(-40)]


def test_bases_of_one_label_have_a_line_each(data_table):
    rows = tuple(replace(row, base_label="as good") for row in data_table.rows)
    shown, expected = deviations_of(replace(data_table, rows=rows)), deviations_of(data_table)
    assert shown.rows == ("as good", "as good")
    assert shown.deviations == expected.deviations


@pytest.mark.parametrize("sd", [0.0, None])
def test_a_floor_without_a_spread_tells_nothing(data_table, sd):
    assert deviations_of(with_floor(data_table, mean=0.01, sd=sd)) is None


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
    assert deviations_plot(data_table).caption.endswith("on the better side of it, from left to right at n = 100, 200")
    one_size = replace(data_table, board=replace(data_table.board, floors=data_table.board.floors[:1]))
    assert deviations_plot(one_size).caption.endswith("on the better side of it")


def test_other_numbers_make_the_plot_stale(data_table):
    before = deviations_plot(data_table)
    assert deviations_plot(with_floor(data_table, mean=0.02, sd=0.001)).digest != before.digest
    assert set(json.loads(before.inputs)) == {"rows", "metrics", "sizes", "deviations"}


@pytest.mark.parametrize(
    ("deviation", "expected"),
    [
        (None, MISSING),
        (0.0, AT_FLOOR),
        (2.0, AT_FLOOR),
        (-2.0, AT_FLOOR),
        (2.1, WORSE[0]),
        (29.4, WORSE[2]),
        (1e9, WORSE[3]),
        (-3.0, BETTER[0]),
        (-6.0, BETTER[1]),
    ],
)
def test_a_colour_says_side_and_distance(deviation, expected):
    assert colour(deviation) == expected


def test_each_edge_begins_a_darker_colour():
    from PIL import ImageColor

    for sign in (1, -1):
        shades = [sum(ImageColor.getrgb(colour(sign * (edge + 0.1)))) for edge in EDGES]
        assert shades == sorted(shades, reverse=True)
        assert len(set(shades)) == len(EDGES)


@pytest.mark.parametrize(
    ("deviation", "text"), [(None, ""), (1.9, ""), (-2.0, ""), (2.6, "3"), (-29.4, "29"), (999.4, "999"), (15_400.0, "15k")]
)
def test_the_number_on_a_colour_has_no_sign(deviation, text):
    assert short(deviation) == text


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
