import json
from dataclasses import replace

import pytest
from msgspec import structs

from harness.report.collect import collect_published
from harness.report.costs import HEADS, PARTS, RATES, costs_section, training_cost
from harness.report.outcome import outcome_of_json
from harness.store.records import Costs, Measured


@pytest.fixture
def lines(board):
    """Returns the cells of the section's table, line by line, without its rule."""

    def lines(collection):
        title, about, table = costs_section(collection).split("\n\n")
        assert title == "## Costs"
        assert about.startswith("The cost of one cell: the mean over the seeds of its row.")
        head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        assert head == list(HEADS)
        return rows

    return lines


def test_each_row_of_a_model_has_its_costs(collection, lines):
    # Twelve thousand evaluations, 3.2 s of training, 0.4 s of sampling, 0.5 s for each of two metrics, 300 MB: the fake records'.
    assert lines(collection)[1] == ["Net", "more of it", "12.8k", "3.2", "0.4", "1.0", "300"]
    assert [line[:2] for line in lines(collection)] == [
        ["Net", "base"], ["Net", "more of it"], ["Net", "tune"], ["Chain", "base"], ["Chain", "more of it"],
    ]  # fmt: skip


def test_costs_are_means_over_the_done_seeds(board, publish_records, lines):
    cells = board.cells[:3]
    for cell, evaluations, seconds, memory in zip(cells, (10, 30, 1000), (1.0, 2.0, 99.0), (1e6, 3e6, 9e9), strict=True):
        costs = Costs(network_evaluations=evaluations, seconds_sample=seconds, peak_memory_bytes=int(memory))
        publish_records(
            board,
            [cell],
            costs=costs,
            metrics={"distance": Measured(values=[1.0], seconds=seconds)},
            status="diverged" if cell.seed == 2 else "done",
        )
    assert lines(collect_published(board)) == [["Net", "base", "20", "0", "1.5", "1.5", "2"]]


def test_throughput_is_told_where_records_say_it(board, publish_records):
    for cell, steps in zip(board.cells[3:6], (2.0, 6.0, None), strict=True):
        images = {"images_extracted": 400, "seconds_extract": 0.5} if cell.seed == 0 else {}
        costs = Costs(images_seen=1280, seconds_steps=steps, seconds_sample=4.0, **images)
        publish_records(board, [cell], costs=costs)
    _, about, table = costs_section(collect_published(board)).split("\n\n")
    assert "Images a second: in the steps of training, without banks and curve" in about
    head, _, row = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert head == [*HEADS, *RATES]
    # 2 × 1280 images in 8 s; 3 × 2 draws of 100 in 12 s; 400 images in half a second.
    assert row[-3:] == ["320", "50", "800"]


def test_labels_are_escaped(load, publish_records, lines):
    board = load(("label: Net", 'label: "a|b_c"'))
    publish_records(board, board.cells[:1])
    assert r"| a\|b\_c " in costs_section(collect_published(board))


def test_rows_of_data_cost_nothing_worth_a_table(data_board, publish_records):
    publish_records(data_board)
    assert costs_section(collect_published(data_board)) == ""


def test_without_a_done_cell_there_is_no_section(board, publish_records):
    assert costs_section(collect_published(board)) == ""
    publish_records(board, status="failed", metrics={})
    assert costs_section(collect_published(board)) == ""


def test_rows_of_several_samplers_say_that_they_share_a_training(sampler_collection):
    _, about, table = costs_section(sampler_collection).split("\n\n")
    assert about.endswith("The rows of a base and method share one training, whose cost each of them shows.")
    head, _, first, *_ = table.splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")][:3] == ["Base", "Method", "Sampler"]
    assert [cell.strip() for cell in first.strip("|").split("|")][:3] == ["Net", "base", "Plain"]


def outcome_with(board, make_record, **costs):
    """The outcome in the JSON of a record that has these costs too."""
    content = json.loads(make_record(board.cells[0]).model_dump_json())
    content["costs"] |= costs
    return outcome_of_json(json.dumps(content).encode())


def test_a_pass_with_gradients_costs_three_without(board, make_record):
    outcome = outcome_with(board, make_record, forward_evaluations=100, backward_evaluations=10, selection_evaluations=7000)
    assert training_cost(outcome) == 130


@pytest.mark.parametrize("costs", [{}, {"forward_evaluations": 100}])
def test_records_that_do_not_say_their_parts_have_no_cost(board, make_record, costs):
    assert training_cost(outcome_with(board, make_record, **costs)) is None


def test_parts_of_the_evaluations_are_shown_where_the_records_say_them(collection):
    parts = {"forward_evaluations": 12_000, "backward_evaluations": 800, "selection_evaluations": 400}
    records = {
        name: structs.replace(outcome, **parts) if "/fit/" in name else outcome for name, outcome in collection.records.items()
    }
    lines = costs_section(replace(collection, records=records)).splitlines()[4:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0][2:6] == ["Network evaluations in training", *PARTS]
    assert [line[2:6] for line in cells[2:4]] == [["12.8k", "–", "–", "–"], ["12.8k", "12.0k", "800", "400"]]
