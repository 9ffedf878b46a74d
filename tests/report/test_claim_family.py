from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from board_fixtures import SAMPLER_BOARD

from harness.report.claim_family import ClaimFamily
from harness.report.collect import collect_published
from harness.report.comparison import full_name
from harness.report.differences import difference
from harness.report.findings import Findings
from harness.report.floors import FloorDraws
from harness.report.marks import floor_test
from harness.report.scores import score_of
from harness.report.table import Table
from harness.statistics.holm import holm


def test_it_holds_each_two_rows_and_each_row_and_the_floor_in_each_column(table):
    family = ClaimFamily.of_table(table)
    assert (len(family.of_rows), len(family.of_floor)) == (2 * 10, 2 * 5)  # five rows can run; one is skipped
    first, second = table.rows[0], table.rows[3]  # of two bases, which a claim may compare
    p = difference(first, second, table.board.columns[0]).p
    assert np.isclose(family.of_rows, p, rtol=1e-6).any()
    assert floor_test(first, table.board.columns[0], table.draws) in family.of_floor


def test_rows_of_several_samplers_are_in_it_and_rows_of_several_numbers_of_samples_apart(load, publish_records, data_table):
    board = load(text=SAMPLER_BOARD)
    publish_records(board)
    rows = sum(not row.notes for row in Table.from_collection(collect_published(board)).rows)
    assert len(ClaimFamily.of_table(Table.from_collection(collect_published(board))).of_rows) == 2 * rows * (rows - 1) / 2
    # Two rows at each of two numbers, in the one column that ranks.
    assert len(ClaimFamily.of_table(data_table).of_rows) == 2


def test_its_size_does_not_grow_while_the_board_runs(load, publish_records, table):
    board = load(("title: Rings\n", "title: Half\n"))
    publish_records(board, [cell for cell in board.cells if cell.seed < 2])
    for path in (board.folder / "results").glob("*__s2.json"):
        path.unlink()
    half = ClaimFamily.of_table(Table.from_collection(collect_published(board)))
    assert half.size == ClaimFamily.of_table(table).size
    assert set(half.of_rows) == {1.0}


def test_a_row_that_can_never_be_claimed_is_not_in_it(load, publish_records):
    board = load()
    publish_records(board)
    publish_records(board, [board.cells[0]], status="diverged", metrics={}, reason="loss is nan")
    assert len(ClaimFamily.of_table(Table.from_collection(collect_published(board))).of_rows) == 2 * 6


def test_an_adjusted_p_is_that_of_holm(table):
    family = ClaimFamily.of_table(table)
    p = [*family.of_rows, *family.of_floor]
    assert [family.adjusted(each) for each in p] == pytest.approx(holm(p))


def claims_with_p(table):
    """Each claim of a difference that is in the direction of the numbers, and its p by itself."""
    for column in table.board.columns:
        sign = 1 if column.higher_is_better else -1
        for first, second in combinations(table.rows, 2):
            of_pair = difference(first, second, column)
            better, worse = (first, second) if sign * of_pair.mean > 0 else (second, first)
            yield of_pair.p, f"better {full_name(better)} than {full_name(worse)} in {column.name}"
        for row in table.rows:
            if sign * (row.score(column).mean - np.mean(table.draws[column.name].values)) < 0:
                yield floor_test(row, column, table.draws), f"off-floor {full_name(row)} in {column.name}"


def table_of_equal_rows(table, rng):
    """The table with rows that are all alike, and at the floor. Half of a draw's variance is what all cells of a seed share.

    A value is the mean of two draws of variance 1.
    """
    rows = [row for row in table.rows if row.is_whole]
    for column in table.board.columns:
        values = 0.5 * rng.normal(size=(1, 3)) + 0.5 * rng.normal(size=(len(rows), 3))
        for number, (row, of_row) in enumerate(zip(rows, values.tolist(), strict=True)):
            scores = {**row.scores, column.name: score_of(of_row)}
            rows[number] = replace(row, values={**row.values, column.name: tuple(of_row)}, scores=scores)
    draws = {column.name: FloorDraws(rng.normal(size=10).tolist()) for column in table.board.columns}
    return replace(table, rows=tuple(rows), draws=draws)


@pytest.mark.parametrize("boards", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_claims_picked_after_the_run_are_borne_out_on_5_percent_of_boards_of_equal_rows_at_most(table, boards):
    rng, borne_out = np.random.default_rng(0), 0
    for _ in range(boards):
        simulated = table_of_equal_rows(table, rng)
        _, claim = min(claims_with_p(simulated))  # what somebody picks who has seen the table
        config = table.board.config.model_copy(update={"findings": f"{{{{{claim}}}}}"})
        borne_out += not Findings(replace(simulated, board=replace(table.board, config=config, claim_lines=(1,)))).not_borne_out
    # Three standard errors of a share of 5 %. By its own p the claim would be borne out on most of these boards.
    assert 0 < borne_out / boards < 0.05 + 3 * (0.05 * 0.95 / boards) ** 0.5
