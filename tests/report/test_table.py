from dataclasses import astuple, replace

import pytest

from harness.errors import UserError
from harness.report.collect import collect_published
from harness.report.difference_tables import difference_tables
from harness.report.display import display
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.report.terminal_style import PLAIN
from harness.store.record_names import RecordName
from harness.store.records import ExtractorFacts


def row_of(table, base, method):
    return next(row for row in table.rows if (row.base, row.method) == (base, method))


def test_the_best_mean_is_marked_in_the_direction_of_the_metric(table):
    assert row_of(table, "net", "tune").maybe_best == {"distance"}  # lower is better
    assert row_of(table, "net", "none").maybe_best == row_of(table, "chain", "none").maybe_best == {"likeness"}  # equal means


def test_a_row_with_a_diverged_seed_is_never_the_best(board, publish_records):
    publish_records(board)
    publish_records(board, [cell for cell in board.cells if cell.name == "net/tune/s0"], status="diverged", metrics={})
    row = row_of(Table.from_collection(collect_published(board)), "net", "tune")
    assert not row.maybe_best
    assert row.scores["distance"].n == 2


def test_a_row_that_no_test_tells_from_the_floor_is_marked(board, publish_records):
    # The floor is 0.012 ± 0.0016 over four pairs. Six draws differ by t = 3.18 at 5 %: from 0.0154 on.
    publish_records(board)
    tuned = [cell for cell in board.cells if cell.row.name == "net/tune"]
    publish_records(board, tuned, metrics={"distance": {"values": [0.0152]}})
    table = Table.from_collection(collect_published(board))
    assert "distance" in row_of(table, "net", "tune").at_floor
    assert "distance" not in row_of(table, "net", "fit").at_floor
    # Where higher is better, a value above the floor is better than real data.
    assert row_of(table, "net", "none").beyond_floor == {"likeness"}


def test_a_floor_is_found_by_column_size_and_statistic(data_table):
    distance = data_table.board.columns[0]
    assert astuple(data_table.floor(distance, 200)) == pytest.approx((0.012, (8e-6 / 3) ** 0.5, 4))
    # Pairs 0.010, 0.012 and 0.014, 0.012: the minima are 0.010 and 0.012.
    assert astuple(data_table.floor(distance, 200, "minimum")) == pytest.approx((0.011, 0.002 / 2**0.5, 2))
    assert data_table.floor(distance, 300) is None


def test_columns_are_the_statistics_that_the_board_shows(table, data_table):
    shown = [(column.name, statistic) for column, statistic in data_table.columns]
    assert shown == [("distance", "mean"), ("distance", "minimum"), ("likeness", "mean")]
    assert [(column.name, statistic) for column, statistic in table.columns] == [("distance", "mean"), ("likeness", "mean")]


def test_sizes_are_in_the_order_of_the_board(table, data_table):
    assert table.sizes == [None]
    assert data_table.sizes == [200, 100]


def test_a_table_knows_whether_any_row_is_of_a_model(table, data_table):
    assert table.has_models
    assert not data_table.has_models
    mixed = replace(data_table, rows=(*data_table.rows, table.rows[0]))
    assert mixed.has_models


def test_the_frame_holds_the_numbers_unrounded_with_the_floor_first(table):
    frame = table.frame()
    assert list(frame["base"]) == ["floor", "net", "net", "net", "chain", "chain", "chain"]
    first = row_of(table, "net", "none")
    assert frame["distance mean"][1] == first.scores["distance"].mean
    assert frame["distance sd"][1] == first.scores["distance"].sd
    assert frame["distance n"][1] == 3
    assert frame["distance n"][0] == 4
    assert frame["label"][2] == "Net × more of it"


def test_the_frame_compares_each_row_with_the_floor_its_base_and_the_control(load, publish_records):
    board = load(("methods:\n", "control: fit\nmethods:\n"))
    publish_records(board)
    frame = Table.from_collection(collect_published(board)).frame()
    base, control, tuned = (frame.iloc[place] for place in (1, 2, 3))
    assert tuned["distance - base"] == pytest.approx(tuned["distance mean"] - base["distance mean"])
    assert tuned["distance - base low"] < tuned["distance - base"] < tuned["distance - base high"] < 0
    assert tuned["distance - base p"] < 0.001
    assert tuned["distance - control"] == pytest.approx(tuned["distance mean"] - control["distance mean"])
    assert tuned["distance - floor"] == pytest.approx(tuned["distance mean"] - 0.012)
    assert tuned["distance - floor p"] < 0.05
    assert tuned["distance within-seed sd"] == pytest.approx(0.002 / 2**0.5)  # draws of 0.001 around each seed's value
    assert [control["distance - control"], base["distance - base"]] == [None, None]


def test_missing_numbers_of_the_frame_are_empty(board, publish_records):
    publish_records(board, [cell for cell in board.cells if cell.base.name == "net" and cell.seed == 0])
    frame = Table.from_collection(collect_published(board)).frame()
    of_one_seed, not_run = frame.iloc[1], frame.iloc[4]
    assert of_one_seed["distance sd"] is None
    assert of_one_seed["distance n"] == 1
    assert not_run["distance mean"] is None
    assert not_run["nfe"] is None
    assert (not_run["distance n"], not_run["status"]) == (0, "not run")


def test_the_frame_of_a_board_of_several_sizes_has_a_floor_for_each(data_table):
    frame = data_table.frame()
    assert list(frame["base"]) == ["floor", "floor", "good", "bad", "good", "bad"]
    assert list(frame["samples"]) == [200, 100, 200, 200, 100, 100]
    assert frame["distance minimum mean"][0] == pytest.approx(0.011)
    assert frame["distance minimum mean"][3] == pytest.approx(0.05)
    assert list(frame["label"][2:4]) == ["as good", "worse"]
    assert "likeness minimum mean" not in frame


def test_numbers_of_several_versions_of_an_extractor_make_no_table(board, publish_records):
    for cell in board.cells[:2]:
        facts = ExtractorFacts(name="net", version="1/1", settings={}, weights_sha256=f"{cell.seed}" * 64, preprocessing="grey")
        publish_records(board, [cell], extractors={"net": facts})
    with pytest.raises(UserError, match="do not share a column"):
        Table.from_collection(collect_published(board))


class CountedRows(tuple[TableRow, ...]):
    """Rows that count how often somebody looks through all of them."""

    passes = 0

    def __iter__(self):
        self.passes += 1
        return super().__iter__()


def test_many_rows_are_looked_through_as_often_as_few(load, publish_records):
    """A pass over all rows for each row, or for each of its cells, would make a page of 10,000 cells take hours."""
    board = load(("methods:\n", "control: fit\nmethods:\n"))
    publish_records(board)
    table = Table.from_collection(collect_published(board))
    passes = []
    for bases in (1, 10):
        rows = [
            replace(row, base=f"{row.base} {number}", cost=100.0 if row.trains else None)
            for number in range(bases)
            for row in table.rows
        ]
        counted = CountedRows(rows)
        larger = replace(table, rows=counted)
        display(larger, PLAIN)
        difference_tables(larger, PLAIN)
        larger.frame()
        assert larger.cost_head == "Cost × more of it"
        passes.append(counted.passes)
    assert passes[0] == passes[1]


def test_a_floor_without_values_is_told_from_one_that_is_not_measured(board, publish_records):
    publish_records(board)
    collection = collect_published(board)
    assert Table.from_collection(collection).without_pairs == frozenset()
    stale = replace(collection, stale=(RecordName("floor", "distance"),))
    assert Table.from_collection(stale).stale_floors == frozenset({"distance"})
    empty = {name: record.model_copy(update={"values": []}) for name, record in collection.floors.items()}
    table = Table.from_collection(replace(collection, floors={"distance": empty["distance"]}))
    assert table.without_pairs == frozenset({"distance"})
    assert not table.floors
