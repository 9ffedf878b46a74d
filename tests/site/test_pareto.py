import json

import pytest
from board_fixtures import BOARD, DATA_BOARD

from harness.board.reading.load import load_board
from harness.report.render import render_published
from harness.site.pareto import front, pareto_charts
from harness.site.templates import json_data


@pytest.mark.parametrize(
    ("costs", "values", "higher", "places"),
    [
        ([0, 1, 2, 3], [9, 5, 6, 2], False, [0, 1, 3]),
        ([0, 1, 2, 3], [9, 5, 6, 2], True, [0]),
        ([1, 1, 1], [3, 2, 2], False, [1, 2]),  # equal points beat neither each other nor are they beaten
        ([2, 1], [1, 1], False, [1]),  # as good at less cost
        ([], [], False, []),
    ],
)
def test_the_front_holds_what_no_other_point_beats(costs, values, higher, places):
    assert front(costs, values, higher_is_better=higher) == places


def test_the_chart_has_a_front_for_every_cost_and_metric(rendered):
    (chart,) = pareto_charts(rendered.table, rendered.content.collection).charts
    data = json.loads(json_data(chart.data))
    assert len(data["fronts"]) == len(data["costs"]) == 5
    assert all(len(of_cost) == len(data["metrics"]) == 2 for of_cost in data["fronts"])
    assert [point["label"] for point in data["points"]] == ["base", "more of it", "tune", "base", "more of it"]
    assert data["points"][1]["costs"][2] == 1280
    assert data["floors"][0] == pytest.approx(1.2)


def test_a_row_with_fewer_seeds_than_the_board_says_so(write_board, fake_plugins, publish_records):
    board = load_board(write_board(BOARD.replace("tune:\n", "tune: {only: 'seed=0,1'}\n")), plugins=fake_plugins)
    publish_records(board)
    rendered = render_published(board)
    (chart,) = pareto_charts(rendered.table, rendered.content.collection).charts
    labels = [point["label"] for point in chart.data["points"]]
    assert labels == ["base", "more of it", "tune (2 of 3 seeds)", "base", "more of it"]


def test_a_board_of_data_has_no_costs(write_board, fake_plugins, publish_records):
    board = load_board(write_board(DATA_BOARD), plugins=fake_plugins)
    publish_records(board)
    rendered = render_published(board)
    assert pareto_charts(rendered.table, rendered.content.collection) is None
