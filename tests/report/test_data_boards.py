"""Boards of data in the place of models, at several numbers of samples: table, minimum, page and plots."""

import json

import numpy as np
import pytest
import torch
from board_fixtures import fake_record

from harness.board.reading.load import load_board
from harness.report.collect import collect_published
from harness.report.formats import as_json, latex, markdown
from harness.report.plots import samples
from harness.report.plots.plot import drawn_from
from harness.report.plots.samples import samples_plot
from harness.report.plots.seen import BETTER, SAME, WORSE, colour, seen_plot
from harness.report.plots.sizes import sizes_plot
from harness.report.preview import Preview, Previews, shown_cells
from harness.report.render import render_published
from harness.report.rows import Score
from harness.report.sheet import sheet_of
from harness.report.table import Table
from harness.store.records import load_record, save_record

BOARD = """\
title: Faults
dataset: ring
bases:
  good: {label: as good, data: ring}
  bad: {label: worse, data: ring}
methods: {none: {}}
seeds: [0, 1]
evaluation: {sizes: [200, 100], draws: 2}
floor: {pairs: 4}
metrics:
  distance: {show: [mean, minimum]}
  likeness: {ranks: false}
"""


@pytest.fixture
def board(write_board, fake_plugins):
    return load_board(write_board(BOARD, "faults"), plugins=fake_plugins)


@pytest.fixture
def table(board, publish_records):
    values = {"good": [0.012, 0.013], "bad": [0.05, 0.07]}
    publish_records(board)
    for cell in board.cells:
        metrics = {"distance": {"values": values[cell.base.name]}, "likeness": {"values": [0.5, 0.5]}}
        publish_records(board, [cell], metrics=metrics)
    return Table.of(collect_published(board, board.folder / "results"))


def test_each_number_of_samples_has_its_rows_below_its_floor(table):
    lines = markdown(table).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[:2] for row in cells] == [
        ["Floor: real against real", "200"], ["as good", "200"], ["worse", "200"],
        ["Floor: real against real", "100"], ["as good", "100"], ["worse", "100"],
    ]  # fmt: skip
    assert latex(table).count(r"\midrule") == 4
    assert [floor["samples"] for floor in json.loads(as_json(table))["floors"]] == [200, 100]


def test_columns_of_models_are_left_out_where_there_are_none(table):
    head = markdown(table).splitlines()[0]
    assert "Data" in head
    assert not any(word in head for word in ("Method", "NFE", "Parameters", "Images", "Seconds"))


def test_data_are_marked_by_the_floor_and_never_bold(table):
    good, bad = table.rows[:2]
    assert "distance" in good.at_floor
    assert "distance" not in bad.at_floor
    assert "**" not in markdown(table)


def test_the_minimum_is_over_draws_and_that_of_the_floor_over_as_many_pairs(table):
    distance = table.board.columns[0]
    assert table.rows[1].score(distance, "minimum") == Score(0.05, pytest.approx(0), 2)
    # Pairs 0.010, 0.012 and 0.014, 0.012: the minima are 0.010 and 0.012.
    assert table.floor(distance, 200, "minimum") == Score(pytest.approx(0.011), pytest.approx(0.002 / 2**0.5), 2)
    assert "distance ↓ (minimum of 2)" in markdown(table).splitlines()[0]


def test_a_column_that_does_not_rank_has_neither_arrow_nor_mark_nor_panel(table):
    head, *_ = markdown(table).splitlines()
    assert "likeness ↑" not in head
    assert "likeness" not in seen_plot(table).inputs
    assert "likeness" not in sizes_plot(table).inputs


def test_the_plot_of_what_is_seen_counts_deviations_of_the_floor(table):
    # The floor is 0.012 with deviation 0.00163: 0.0125 is 0.31 of it away, 0.06 is 29.4.
    seen = json.loads(seen_plot(table).inputs)
    assert seen["sizes"] == [100, 200]
    assert seen["deviations"][0][0] == [pytest.approx(0.306, abs=1e-3)] * 2
    assert seen["deviations"][1][0] == [pytest.approx(29.39, abs=1e-2)] * 2
    assert [colour(value) for value in (0.3, 29.4, -3)] == [SAME, WORSE[2], BETTER[0]]


def test_page_and_plots_are_written_and_then_fresh(board, table):
    paths = render_published(board).write(board.folder)
    assert [path.name for path in paths] == ["README.md", "seen.png", "sizes.png"]
    assert all(drawn_from(path) for path in paths[1:])
    assert render_published(board).stale(board.folder) == []
    page = paths[0].read_text()
    assert "2 independent draws of 100 or 200 examples of the row's data and as many real ones a cell" in page
    assert "**as good**: `ring`" in page
    assert "Fine-tuning" not in page


def test_a_record_knows_its_number_of_samples_and_others_have_no_such_field(board, tmp_path):
    sized = fake_record(board.cells[0])
    save_record(sized, tmp_path / "sized.json")
    assert load_record(tmp_path / "sized.json").cell == board.cells[0].name == "good/none/n200/s0"
    save_record(sized.model_copy(update={"size": None}), tmp_path / "plain.json")
    assert '"size"' not in (tmp_path / "plain.json").read_text()


@pytest.mark.parametrize(("old", "new", "said"), [
    ("evaluation: {sizes: [200, 100]", "evaluation: {samples: 100, sizes: [200, 100]", "has samples and sizes"),
    ("[200, 100]", "[100, 100]", "sizes has a number twice"),
    ("draws: 2", "draws: 1", "the minimum of one draw is its value"),
    ("{label: worse, data: ring}", "{label: worse, data: ring, model: net}", "has data, and so no model"),
    ("{label: worse, data: ring}", "{label: worse, data: rign}", "did you mean 'ring'?"),
    ("methods: {none: {}}", "methods: {fit: {}}", "'training' of the board is missing: fit trains"),
])  # fmt: skip
def test_what_does_not_fit_together_is_said(write_board, fake_plugins, old, new, said):
    assert old in BOARD
    with pytest.raises(Exception, match=said.replace("?", r"\?")):
        load_board(write_board(BOARD.replace(old, new)), plugins=fake_plugins)


def test_methods_that_train_are_skipped_on_data(write_board, fake_plugins):
    text = BOARD.replace("{none: {}}", "{none: {}, fit: {}}") + "training: {images: 1280}\n"
    board = load_board(write_board(text), plugins=fake_plugins)
    reasons = {cell.method_name: cell.skip_reason for cell in board.cells}
    assert reasons == {"none": None, "fit": "fit needs a model, and this base is data"}


def test_a_filter_may_name_the_number_of_samples(board):
    from harness.board.filters import parse_filter

    kept = board.select(parse_filter("n=100", where="here"))
    assert {cell.evaluation.samples for cell in kept} == {100}
    assert len(kept) == 4


def test_a_smoke_board_has_the_smallest_number_only(write_board, fake_plugins):
    board = load_board(write_board(BOARD), plugins=fake_plugins, smoke=True)
    assert {cell.evaluation.samples for cell in board.cells} == {64}
    assert len(board.floors) == 2


def test_one_sheet_a_row_of_data_of_the_most_samples(board, publish_records):
    results = publish_records(board)
    collection = collect_published(board, results)
    assert [row.name for row, _ in shown_cells(collection)] == ["good/none/n200", "bad/none/n200"]
    sheet = sheet_of(torch.zeros(4, 1, 2, 2), None)
    previews = Previews(Preview("ring-1", sheet=sheet), {"good/none/n200": Preview("x", sheet=sheet)})
    assert samples_plot(collection, previews).caption == "Real images, and those of each row"


def test_sheets_of_fewer_classes_are_drawn_at_the_same_scale():
    first, second = samples._of_one_size([np.zeros((3, 8, 3), np.uint8), np.zeros((2, 5, 3), np.uint8)])
    assert first.shape == second.shape == (3, 8, 3)
    assert (second[:2, :5] == 0).all()
    assert second[2:].min() == second[:, 5:].min() == 255
