from dataclasses import replace

import pytest

from harness.report.collect import collect_published
from harness.report.difference_tables import difference_tables, interval_text, section
from harness.report.formats import MARKDOWN
from harness.report.number_text import p_value
from harness.report.table import Table
from harness.statistics.paired import PairedDifference, paired_difference


@pytest.fixture
def with_control(load, publish_records):
    board = load(("methods:\n", "control: fit\nmethods:\n"))
    publish_records(board)
    return Table.from_collection(collect_published(board))


def lines_of(shown):
    return [dict(zip(shown.heads, row, strict=True)) for row in shown.rows]


def test_each_column_that_ranks_has_a_table_of_all_rows_with_scores(with_control):
    distance, likeness = difference_tables(with_control, MARKDOWN)
    assert (distance.column.name, likeness.column.name) == ("distance", "likeness")
    heads = ["Base", "Method", "SD between seeds", "SD within a seed", "− floor", "p", "− base", "p", "− more of it", "p"]
    assert distance.heads == heads
    assert [(row[0], row[1]) for row in distance.rows] == [
        ("Net", "base"), ("Net", "more of it"), ("Net", "tune"), ("Chain", "base"), ("Chain", "more of it"),
    ]  # fmt: skip


def test_a_row_is_compared_with_its_base_and_the_control(with_control):
    base, control, tuned, *_ = difference_tables(with_control, MARKDOWN)[0].rows
    # In hundredths: 5.10 is the base, 2.60 the control and 1.77 tune; single draws are 0.1 around a seed's value.
    assert base[2:] == ["0.10", "0.14", "3.90 [3.64, 4.16]", "&lt; 0.001", *["–"] * 4]
    assert control[6:] == ["−2.50 [−2.51, −2.48]", "&lt; 0.001", "–", "–"]
    assert tuned[6] == "−3.33 [−3.36, −3.30]"
    assert tuned[8].startswith("−0.83 [")


def test_columns_without_any_figure_are_left_out(load, publish_records):
    board = load(("seeds: [0, 1, 2]", "seeds: [0]"))
    publish_records(board)
    table = Table.from_collection(collect_published(board))
    assert difference_tables(table, MARKDOWN)[0].heads == ["Base", "Method", "SD within a seed", "− floor", "p"]


def test_a_board_of_data_is_compared_with_the_floor_alone(data_table):
    (distance,) = difference_tables(data_table, MARKDOWN)  # likeness does not rank
    assert distance.heads == ["Data", "n", "SD between seeds", "SD within a seed", "− floor", "p"]
    assert "paired" not in section(data_table, MARKDOWN)


def test_fewer_pairs_than_seeds_are_said(with_control):
    row = replace(with_control.rows[2], values={"distance": (0.017, None, 0.019)}, done=2)
    table = replace(with_control, rows=(*with_control.rows[:2], row))
    assert difference_tables(table, MARKDOWN)[0].rows[2][6].endswith(" (2 seeds)")


@pytest.mark.parametrize(("seeds", "is_said"), [("[7, 8]", True), ("[7, 8, 9]", False)])
def test_fewer_bases_than_seeds_are_said(load, publish_records, seeds, is_said):
    step = "pretrain: {method: fit, training: {images: 1280}"
    board = load((f"model: net, {step}}}", f"model: net, {step}, seeds: {seeds}}}"))
    publish_records(board)
    text = section(Table.from_collection(collect_published(board)), MARKDOWN)
    assert ("Bases are pretrained 2 times for 3 seeds." in text) == is_said
    assert ("not about further bases" in text) == is_said
    assert ("*p by bases* is about further bases" in text) == is_said


def test_a_base_on_some_seeds_has_as_many_bases_as_its_rows_have_seeds(load, publish_records):
    step = "pretrain: {method: fit, training: {images: 1280}"
    board = load((f"model: net, {step}}}", f"model: net, only: 'seed=0,1', {step}, seeds: [7, 8, 9]}}"))
    publish_records(board)
    assert "Bases are pretrained" not in section(Table.from_collection(collect_published(board)), MARKDOWN)


def test_rows_whose_cells_share_no_base_have_no_p_by_bases_on_a_board_with_more_seeds(load, publish_records):
    step = "pretrain: {method: fit, training: {images: 1280}"
    board = load(
        ("methods:\n", "control: fit\nmethods:\n"),
        (f"model: net, {step}}}", f"model: net, only: 'seed=0,1', {step}, seeds: [7, 8]}}"),
    )
    publish_records(board)
    text = section(Table.from_collection(collect_published(board)), MARKDOWN)
    assert "by bases" not in text
    assert "Bases are pretrained" not in text


def test_each_number_of_bases_is_said_and_what_p_by_bases_means_where_any_row_has_it(load, publish_records):
    step = "pretrain: {method: fit, training: {images: 1280}"
    board = load(
        (f"model: net, {step}}}", f"model: net, {step}, seeds: [7]}}"),
        (f"model: chain, {step}}}", f"model: chain, {step}, seeds: [7, 8]}}"),
    )
    publish_records(board)
    text = section(Table.from_collection(collect_published(board)), MARKDOWN)
    assert "Bases are pretrained once for 3 seeds or 2 times for 3 seeds. Cells that share" in text
    assert "*p by bases* is about further bases" in text
    assert " p by bases |" in text


def test_a_single_base_for_several_seeds_is_said_without_a_p_by_bases(load, publish_records):
    step = "pretrain: {method: fit, training: {images: 1280}"
    board = load((f"model: net, {step}}}", f"model: net, {step}, seeds: [7]}}"))
    publish_records(board)
    text = section(Table.from_collection(collect_published(board)), MARKDOWN)
    assert "Bases are pretrained once for 3 seeds. Cells that share" in text
    assert "by bases" not in text


def test_few_bases_have_a_p_of_their_means_beside_that_of_their_cells(load, publish_records):
    step = "pretrain: {method: fit, training: {images: 1280}"
    board = load(("methods:\n", "control: fit\nmethods:\n"), (f"model: net, {step}}}", f"model: net, {step}, seeds: [7, 8]}}"))
    publish_records(board)
    table = Table.from_collection(collect_published(board))
    shown = difference_tables(table, MARKDOWN)[0]
    assert shown.heads[6:] == ["− base", "p", "p by bases", "− more of it", "p", "p by bases"]
    tuned, chain = shown.rows[2], shown.rows[-1]
    row, base = (table.rows[place].values_of(table.board.columns[0]) for place in (2, 0))
    # The cells of seeds 0 and 2 start from the base of seed 7, that of seed 1 from the one of seed 8.
    by_hand = paired_difference([(row[0] + row[2]) / 2, row[1]], [(base[0] + base[2]) / 2, base[1]])
    assert tuned[8] == MARKDOWN.escape(p_value(by_hand.p))
    assert chain[8] == "–"  # pretrained once


def test_the_first_column_is_open_and_the_others_are_folded(with_control):
    text = section(with_control, MARKDOWN)
    open_part, folded = text.split("<details")
    assert "**distance ↓ (×1e-2)**\n\n| Base" in open_part
    assert "**likeness ↑**" in folded
    assert folded.endswith("</details>")


def test_a_table_without_scores_makes_no_section(board):
    assert section(Table.from_collection(collect_published(board)), MARKDOWN) == ""


def test_a_difference_that_is_equal_on_every_seed_says_so(column):
    assert interval_text(PairedDifference(0.001, None, None, 0.25, 3), column(), MARKDOWN) == "0.10 on every seed"
    assert interval_text(PairedDifference(0.0, 0.0, 0.0, 1.0, 3), column(), MARKDOWN) == "0.00 [0.00, 0.00]"
