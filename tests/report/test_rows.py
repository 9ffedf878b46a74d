from dataclasses import astuple

import numpy as np
import pytest

from harness.report.collect import collect_published
from harness.report.rows import table_rows


@pytest.fixture
def rows(board):
    """Returns the board's rows by base and method, from the records that are published now."""
    return lambda: {(row.base, row.method): row for row in table_rows(collect_published(board))}


@pytest.fixture
def tuned(board):
    return [cell for cell in board.cells if cell.row.name == "net/tune"]


def test_rows_stand_in_the_order_of_the_board_with_its_labels(board, rows):
    assert list(rows()) == [(base, method) for base in ("net", "chain") for method in ("none", "fit", "tune")]
    row = rows()["net", "fit"]
    assert (row.base_label, row.method_label) == ("Net", "more of it")


def test_a_seed_counts_once_with_the_mean_of_its_draws(board, publish_records, rows):
    # The draws of seed s are 0.049 + 0.001 s and 0.051 + 0.001 s.
    publish_records(board)
    assert astuple(rows()["net", "none"].scores["distance"]) == pytest.approx((0.051, 0.001, 3))


def test_a_seed_counts_once_with_the_minimum_of_its_draws(board, publish_records, rows, column):
    publish_records(board)
    row = rows()["net", "none"]
    assert astuple(row.score(column(), "minimum")) == pytest.approx((0.050, 0.001, 3))
    assert row.score(column()) == row.scores["distance"]


def test_costs_are_means_over_the_seeds_that_are_done(board, publish_records, rows, tuned, make_record):
    costs = make_record(tuned[0]).costs
    for cell, nfe, images, seconds in zip(tuned, (10, 20, 90), (100, 200, 900), (1.0, 2.0, 9.0), strict=True):
        of_cell = costs.model_copy(update={"nfe": nfe, "images_seen": images, "seconds_finetune": seconds})
        publish_records(board, [cell], costs=of_cell, status="diverged" if cell.seed == 2 else "done")
    row = rows()["net", "tune"]
    assert (row.nfe, row.images_seen, row.seconds) == (15, 150, 1.5)
    assert row.parameters == 50_178


def test_cells_that_ended_badly_are_in_the_notes_and_in_no_mean(board, publish_records, rows, tuned):
    publish_records(board, tuned[:1], status="diverged", metrics={"distance": {"values": [1e9]}})
    publish_records(board, tuned[1:2], status="failed", metrics={})
    publish_records(board, tuned[2:])
    row = rows()["net", "tune"]
    assert row.notes == ("diverged 1/3", "failed 1/3")
    assert (row.seeds, row.done) == (3, 1)
    assert row.scores["distance"].n == 1
    assert row.scores["distance"].mean < 1


@pytest.mark.parametrize(("published", "notes"), [(0, ("not run",)), (1, ("not run 2/3",)), (3, ())])
def test_cells_that_did_not_run_are_in_the_notes(board, publish_records, rows, tuned, published, notes):
    publish_records(board, tuned[:published])
    row = rows()["net", "tune"]
    assert row.notes == notes
    assert row.competes is (published == 3)


@pytest.mark.parametrize(
    ("stale", "published", "notes"),
    [(3, 0, ("stale 3/3",)), (1, 0, ("stale 1/3", "not run 2/3")), (1, 1, ("stale 1/3", "not run 1/3")), (1, 2, ("stale 1/3",))],
)
def test_stale_records_are_in_the_notes_and_lack(board, publish_records, rows, tuned, stale, published, notes):
    publish_records(board, tuned[:stale], key="0" * 24)
    publish_records(board, tuned[stale : stale + published])
    row = rows()["net", "tune"]
    assert row.notes == notes
    assert (row.done, row.lacking) == (published, 3 - published)


def test_seeds_that_are_not_run_or_failed_are_lacking_and_diverged_ones_are_not(board, publish_records, rows, tuned):
    publish_records(board, tuned[:1], status="diverged", metrics={})
    publish_records(board, tuned[1:2], status="failed", metrics={})
    row = rows()["net", "tune"]
    assert (row.lacking, row.may_yet_compete) == (2, False)
    publish_records(board, tuned[:1])
    assert rows()["net", "tune"].may_yet_compete
    assert rows()["chain", "tune"].lacking == 0  # it is skipped


def test_a_row_without_a_done_seed_has_neither_scores_nor_costs(rows, column):
    row = rows()["net", "none"]
    assert row.scores == row.minima == {}
    assert row.score(column()) is None
    assert [row.nfe, row.parameters, row.images_seen, row.seconds] == [None] * 4


def test_a_skipped_row_says_why(rows):
    assert rows()["chain", "tune"].notes == ("skipped: chain lacks Likelihood, which tune needs",)


def test_rows_of_data_know_it_and_each_number_of_samples_has_its_row(data_board, publish_records):
    publish_records(data_board)
    rows = table_rows(collect_published(data_board))
    assert [(row.base, row.size) for row in rows] == [("good", 200), ("bad", 200), ("good", 100), ("bad", 100)]
    assert all(row.is_data and not row.competes for row in rows)


def test_the_same_place_is_the_same_seed_in_rows_that_lack_seeds(load, publish_records, make_record, column):
    board = load(("  tune:\n", "  tune: {only: 'seed=1,2'}\n"))
    publish_records(board)
    rows = {(row.base, row.method): row for row in table_rows(collect_published(board))}
    of_seeds = [make_record(cell).metrics["distance"].mean for cell in board.cells if cell.row.name == "net/tune"]
    assert rows["net", "tune"].values_of(column()).tolist() == pytest.approx([np.nan, *of_seeds], nan_ok=True)
    assert np.isfinite(rows["net", "none"].values_of(column())).all()
    assert (rows["net", "tune"].seeds, rows["net", "tune"].is_whole) == (2, True)
