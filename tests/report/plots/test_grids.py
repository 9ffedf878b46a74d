import json
from importlib.metadata import EntryPoint

import pytest
from board_fixtures import BOARD
from png_files import decoded, ink

from harness.board.reading.load import load_board
from harness.plugins import Registry
from harness.report.collect import collect_published
from harness.report.plots.grids import grids_plot
from harness.report.table import Table
from harness.store.records import Measured

PLUGINS = Registry([EntryPoint(name, name, "harness") for name in ("harness_fake", "harness_fake_settings")])


@pytest.fixture
def table_of(write_board, publish_records):
    """The table of a board whose method `tune` has these grids; a row's distance says where it is."""

    def table_of(grids, value, only="base=*"):
        text = BOARD.replace("  tune:\n", f"  tune: {{label: Tune, method: {{name: weigh, {grids}}}, only: {only}}}\n")
        board = load_board(write_board(text), plugins=PLUGINS)
        publish_records(board, [])
        for cell in board.cells:
            if cell.skip_reason is None:
                distance = (value(cell.method.settings) if cell.method_name != "none" else 0.5) + 0.001 * cell.seed
                metrics = {"distance": Measured(values=[distance] * 2), "likeness": Measured(values=[0.5] * 2)}
                publish_records(board, [cell], metrics=metrics)
        return Table.from_collection(collect_published(board))

    return table_of


def value(settings):
    return getattr(settings, "strength", 0.0) / 10 + getattr(settings, "bank", 0) / 1000


def panels(table):
    return json.loads(grids_plot(table).inputs)


def test_one_parameter_is_a_curve_of_means_over_seeds_in_the_unit_of_the_column(table_of):
    (panel,) = panels(table_of("strength: {grid: [0.5, 1.0, 2.0]}, bank: 10", value))
    assert (panel["x_name"], panel["x"], panel["y_name"]) == ("strength", ["0.5", "1", "2"], "")
    assert panel["means"] == [pytest.approx([100 * (strength / 10 + 0.01 + 0.001) for strength in (0.5, 1.0, 2.0)])]
    assert panel["untrained"] == pytest.approx(50.1)


def test_the_base_is_shown_over_the_seeds_of_the_grid(table_of):
    (panel,) = panels(table_of("strength: {grid: [0.5, 1.0]}, bank: 10", value, only='"base=net,seed=1,2"'))
    assert panel["untrained"] == pytest.approx(50.15)


def test_two_parameters_are_a_map_with_the_last_one_from_left_to_right(table_of):
    (panel,) = panels(table_of("strength: {grid: [0.5, 1.0]}, bank: {grid: [10, 20, 30]}", value))
    assert (panel["x_name"], panel["y_name"]) == ("bank", "strength")
    assert panel["means"][1] == pytest.approx([100 * (0.1 + bank / 1000 + 0.001) for bank in (10, 20, 30)])


def test_a_map_of_which_the_board_has_some_points_leaves_the_others_without_colour_and_says_so(table_of):
    grids = "strength: {grid: [0.5, 1.0]}, bank: {grid: [10, 20]}"
    whole, cut = table_of(grids, value), table_of(grids, value, only='"method!=tune[strength=1,bank=20]"')
    (panel,) = panels(cut)
    assert panel["means"] == [panels(whole)[0]["means"][0], [panels(whole)[0]["means"][1][0], None]]
    assert grids_plot(cut).caption.endswith(". A field without a colour: the board has no such row, or no result of it")
    assert "without a colour" not in grids_plot(whole).caption
    assert ink(decoded(grids_plot(cut).png())) > 0.01


def test_further_parameters_have_a_panel_for_each_of_their_values(table_of):
    grids = "optimizer: {lr: {grid: [0.1, 0.2]}}, strength: {grid: [0.5, 1.0]}, bank: {grid: [10, 20]}"
    assert [panel["title"] for panel in panels(table_of(grids, value))] == ["Net, Tune, lr 0.1", "Net, Tune, lr 0.2"]


def test_curves_and_maps_can_be_drawn(table_of):
    for grids in ("strength: {grid: [0.5, 1.0]}", "strength: {grid: [0.5, 1.0]}, bank: {grid: [10, 20]}"):
        assert ink(decoded(grids_plot(table_of(grids, value)).png())) > 0.01


@pytest.mark.parametrize("other", ["", ", bank: {grid: [10, 20]}"])
def test_values_stand_aslant_where_they_would_run_into_each_other(table_of, other):
    few, many = "[0.5, 1.0]", "[0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03]"
    for values, rotation in ((few, 0), (many, 35)):
        grids = f"bank: {{grid: [10, 20]}}, strength: {{grid: {values}}}" if other else f"strength: {{grid: {values}}}"
        plot = grids_plot(table_of(grids, value))
        labels = plot.draw().axes[0].get_xticklabels()
        assert {label.get_rotation() for label in labels} == {rotation}


def test_a_board_without_grids_has_no_plot(table):
    assert grids_plot(table) is None
