from dataclasses import replace

import pytest
from board_fixtures import SAMPLER_BOARD

from harness.report.collect import collect_published
from harness.report.display import MODEL_COLUMNS, Style, column_head, display, figure
from harness.report.scores import Score
from harness.report.table import Table

STYLE = Style(
    bold=lambda text: f"<b>{text}</b>",
    plus_minus="+-",
    floor_mark="!",
    beyond_mark="!!",
    none="?",
    down="down",
    up="up",
    escape=lambda text: text.replace("×", "x"),
    signed=lambda number: number.replace("-", "minus "),
    factor=lambda number: f"in {number:g}",
)


def rows_of(table):
    """The rows of a table by their heads, in the style of this module."""
    shown = display(table, STYLE)
    return [dict(zip(shown.heads, row, strict=True)) for row in shown.rows]


@pytest.mark.parametrize(
    ("name", "changes", "head"),
    [
        ("distance", {"shown_in": 1.0}, "distance down"),
        ("distance", {"shown_in": 0.01}, "distance down (in 0.01)"),
        ("likeness", {}, "likeness up"),
        ("likeness", {"ranks": False}, "likeness"),
        ("likeness", {"ranks": False, "shown_in": 0.1}, "likeness (in 0.1)"),
    ],
)
def test_a_head_says_direction_and_unit(column, name, changes, head):
    assert column_head(column(name, **changes), "mean", STYLE) == head


def test_a_head_says_of_how_many_draws_a_minimum_is(column):
    assert column_head(column(shown_in=1.0), "minimum", STYLE) == "distance down (minimum of 2)"
    assert column_head(column(), "minimum", STYLE) == "distance down (in 0.01, minimum of 2)"


def test_a_head_says_the_unit_of_the_metric(column):
    plain = column(shown_in=1.0)
    component = replace(plain.metric.component, unit="nats")
    in_nats = replace(plain, metric=replace(plain.metric, component=component), label="a × b")
    assert column_head(in_nats, "mean", STYLE) == "a x b down (nats)"


@pytest.mark.parametrize(
    ("score", "changes", "text"),
    [
        (None, {}, "?"),
        (Score(0.0512, None, 1), {}, "5.12"),
        (Score(0.0512, 0.0049, 3), {}, "5.12+-0.49"),
        (Score(0.0512, 0.0049, 3), {"shown_in": 1.0, "digits": 3}, "0.051+-0.005"),
        (Score(1234.6, 0.0, 3), {"shown_in": 1.0, "digits": 0}, "1235+-0"),
    ],
)
def test_a_figure_has_the_unit_and_decimals_of_the_board(column, score, changes, text):
    assert figure(score, column(**changes), STYLE) == text


def test_every_row_has_a_cell_under_each_head(table, data_table):
    for shown in (display(table, STYLE), display(data_table, STYLE)):
        assert {len(row) for row in shown.rows} == {len(shown.heads)}


def test_the_floor_stands_first_without_what_only_models_have(table):
    floor = rows_of(table)[0]
    assert (floor["Base"], floor["Method"]) == ("Floor", "real against real")
    assert floor["distance down (in 0.01)"] == "1.20+-0.16"
    assert floor["Status"] == "over 4 pairs of draws"
    assert [floor[head] for head in ("Seeds", *MODEL_COLUMNS)] == ["?"] * 5


def test_a_floor_that_is_not_measured_says_so(table):
    floor = rows_of(replace(table, floors={}))[0]
    assert (floor["distance down (in 0.01)"], floor["Status"]) == ("?", "not run")


def test_a_floor_of_older_settings_is_stale(table):
    assert rows_of(replace(table, floors={}, stale_floors=frozenset({"distance"})))[0]["Status"] == "stale"


def test_a_floor_that_can_have_no_value_says_why(table):
    changed = replace(table, floors={}, without_pairs=frozenset({"distance"}))
    assert rows_of(changed)[0]["Status"] == "none: the dataset has too few real examples for a draw"


def test_pairs_of_several_numbers_are_all_named(table):
    floors = {"distance": Score(0.01, 0.001, 4), "likeness": Score(0.5, 0.1, 10)}
    assert rows_of(replace(table, floors=floors))[0]["Status"] == "over 4 or 10 pairs of draws"


def test_a_row_shows_what_the_model_cost(table):
    row = rows_of(table)[2]
    assert (row["Base"], row["Method"]) == ("Net", "more of it")
    # Ten evaluations a sample, 50,178 parameters, 1,280 images, 3.2 seconds: as the fake records have them.
    assert [row[head] for head in MODEL_COLUMNS] == ["10", "50.2k", "1280", "3.2"]
    assert (row["Seeds"], row["Status"]) == ("3", "")


def test_marks_are_written_on_means_of_columns_that_rank(table):
    row = replace(
        table.rows[0], maybe_best=frozenset({"distance", "likeness"}), at_floor=frozenset({"distance"}), beyond_floor=frozenset()
    )
    marked = rows_of(replace(table, rows=(row,)))[1]
    assert marked["distance down (in 0.01)"] == "<b>5.10+-0.10</b>!"
    assert marked["likeness up"] == "<b>0.051+-0.001</b>"


def test_a_row_that_is_better_than_real_data_has_a_mark_of_its_own(table):
    row = replace(table.rows[0], maybe_best=frozenset(), at_floor=frozenset(), beyond_floor=frozenset({"distance"}))
    assert rows_of(replace(table, rows=(row,)))[1]["distance down (in 0.01)"] == "5.10+-0.10!!"


def test_a_row_with_missing_seeds_says_how_many_are_done(table):
    row = replace(table.rows[0], done=2, notes=("failed 1/3", "a × b"))
    shown = rows_of(replace(table, rows=(row,)))[1]
    assert (shown["Seeds"], shown["Status"]) == ("2/3", "failed 1/3; a x b")


def test_a_board_of_data_has_neither_methods_nor_costs(data_table):
    heads = display(data_table, STYLE).heads
    assert heads[:2] == ["Data", "n"]
    assert not {"Base", "Method", *MODEL_COLUMNS} & set(heads)


def test_a_row_of_data_beside_models_has_no_costs(table):
    rows = tuple(replace(row, is_data=row.base == "net") for row in table.rows)
    mixed = rows_of(replace(table, rows=rows))
    assert [mixed[1][head] for head in MODEL_COLUMNS] == ["?"] * 4
    assert mixed[4]["NFE"] == "10"


def test_each_number_of_samples_is_a_block_with_its_floor_first(data_table):
    shown = display(data_table, STYLE)
    assert [[(row[0], row[1]) for row in block] for block in shown.blocks] == [
        [("Floor: real against real", size), ("as good", size), ("worse", size)] for size in ("200", "100")
    ]
    assert shown.texts == 1


def test_minima_carry_no_marks(data_table):
    good = rows_of(data_table)[1]
    assert good["distance down"].endswith("!")
    assert good["distance down (minimum of 2)"] == "0.01+-0.00"


def test_each_sampler_is_a_block_after_the_floor(sampler_table):
    shown = display(sampler_table, STYLE)
    assert shown.heads[:3] == ["Base", "Method", "Sampler"]
    assert shown.texts == 3
    assert [[row[2] for row in block] for block in shown.blocks] == [
        ["?", *["Plain"] * 6], ["walk" + "ing"] * 6, ["Push, weight 0"] * 6, ["Push, weight 0.5"] * 6, ["Push, weight 2"] * 6,
    ]  # fmt: skip
    assert shown.with_floor == {0}


def test_data_stand_in_the_block_of_the_first_sampler(load, publish_records):
    board = load(("bases:\n", "bases:\n  real: {data: ring, only: method=none}\n"), text=SAMPLER_BOARD)
    publish_records(board)
    first, *others = display(Table.from_collection(collect_published(board)), STYLE).blocks
    assert first[1][:3] == ["real", "none" if first[1][1] == "none" else "base", "?"]
    assert all(row[0] != "real" for block in others for row in block)


def test_each_number_of_samples_has_its_floor_and_its_samplers(load, publish_records):
    board = load(("{samples: 100, draws", "{sizes: [200, 50], draws"), text=SAMPLER_BOARD)
    publish_records(board)
    shown = display(Table.from_collection(collect_published(board)), STYLE)
    assert shown.heads[2:4] == ["Sampler", "n"]
    assert (len(shown.blocks), shown.with_floor) == (10, frozenset({0, 5}))
    assert [shown.blocks[index][0][0] for index in (0, 5)] == ["Floor", "Floor"]


def test_the_cost_over_the_control_is_shown_where_the_records_say_it(table):
    board = replace(table.board, config=table.board.config.model_copy(update={"control": ["fit"]}))
    costs = (None, 200.0, 2_468.0, None, None, None)
    rows = tuple(replace(row, cost=cost) for row, cost in zip(table.rows, costs, strict=True))
    shown = rows_of(replace(table, board=board, rows=rows))
    assert [row["Cost x more of it"] for row in shown] == ["?", "?", "1.0", "12.3", "?", "?", "?"]
    assert "Cost x more of it" not in rows_of(replace(table, board=board))[0]
