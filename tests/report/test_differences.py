import pytest

from harness.report.collect import collect_published
from harness.report.differences import ReferenceRows, difference, row_tests
from harness.report.floors import FloorDraws
from harness.report.rows import table_rows
from harness.report.scores import score_of
from harness.report.table import Table


@pytest.fixture
def rows(board, publish_records):
    publish_records(board)
    return {(row.base, row.method): row for row in table_rows(collect_published(board))}


def test_a_row_that_trains_is_compared_with_the_rows_of_its_base(rows):
    every = list(rows.values())
    tuned, control, base = rows["net", "tune"], rows["net", "fit"], rows["net", "none"]
    references = ReferenceRows(every, ["fit"])
    assert (references.base_of(tuned), references.control_of(tuned)) == (base, control)
    assert (references.base_of(control), references.control_of(control)) == (base, None)
    assert (references.base_of(base), references.control_of(base)) == (None, None)
    assert ReferenceRows(every, ["other", "fit"]).control_of(tuned) == control
    assert ReferenceRows(every, ["mle"]).control_of(tuned) is None


def test_of_several_controls_on_a_base_the_first_one_named_counts(make_row):
    rows = [make_row(method=method, trains=True, cost=cost) for method, cost in (("a", 100.0), ("b", 200.0), ("c", 400.0))]
    references = ReferenceRows(rows, ["b", "a"])
    assert references.control_of(rows[2]) == rows[1]
    assert [references.cost_over_control(row) for row in rows] == [0.5, 1.0, 2.0]


def test_rows_are_compared_with_rows_of_their_number_of_samples(make_row):
    rows = [make_row(method=method, trains=method == "fit", size=size) for size in (100, 200) for method in ("none", "fit")]
    assert ReferenceRows(rows, []).base_of(rows[3]) == rows[2]


def test_differences_are_over_the_seeds_that_are_done_in_both(make_row, column):
    base = make_row(method="none", values={"distance": (1.0, 2.0, 3.0)})
    fit = make_row(trains=True, values={"distance": (None, 1.0, 2.5)}, done=2)
    difference = row_tests(fit, column(), ReferenceRows([base, fit], []), {}).to_base
    assert (difference.mean, difference.n) == (-0.75, 2)


FLOOR = [1 - 0.2 * 0.75**0.5] * 2 + [1 + 0.2 * 0.75**0.5] * 2
"""Mean 1, standard deviation 0.2."""


def test_a_row_less_the_floor_has_the_interval_over_seeds_and_the_p_of_its_mark(make_row, column):
    floors = {"distance": FloorDraws(FLOOR)}
    row = make_row(values={"distance": (1.4, 1.5, 1.6)}, scores={"distance": score_of([1.4, 1.5, 1.6])})
    difference = row_tests(row, column(), ReferenceRows([row], []), floors).to_floor
    assert difference.mean == pytest.approx(0.5)
    assert difference.low < 0.5 < difference.high
    # Six draws, four pairs with a standard deviation of 0.2: t = 0.5 / (0.2 sqrt(1/6 + 1/4)) = 3.873 with 3 degrees of freedom.
    assert difference.p == pytest.approx(0.0305, abs=1e-4)


def test_a_row_of_one_seed_has_no_interval_and_a_p(make_row, column):
    row = make_row(seeds=1, done=1, values={"distance": (2.0,)}, scores={"distance": score_of([2.0])})
    difference = row_tests(row, column(), ReferenceRows([row], []), {"distance": FloorDraws(FLOOR)}).to_floor
    assert (difference.low, difference.high) == (None, None)
    assert difference.p < 0.05


def test_a_row_without_scores_has_no_tests(make_row, column):
    tests = row_tests(make_row(done=0), column(), ReferenceRows([make_row(done=0)], []), {"distance": FloorDraws([1.0, 1.2])})
    assert (tests.to_base, tests.to_control, tests.to_floor) == (None, None, None)


def test_rows_are_compared_with_rows_of_the_same_sampler(make_row):
    rows = [
        make_row(method=method, sampler=sampler, trains=method != "none")
        for sampler in ("heun", "cfg")
        for method in ("none", "mle", "ddo")
    ]
    ddo = rows[-1]
    references = ReferenceRows(rows, ["mle"])
    assert (references.base_of(ddo), references.control_of(ddo)) == (rows[3], rows[4])


def test_the_cost_of_a_row_is_over_that_of_the_control_of_its_base(make_row):
    rows = [make_row(base=base, method=method, cost=cost) for base, method, cost in (
        ("a", "none", None), ("a", "mle", 200.0), ("a", "ddo", 500.0), ("b", "mle", None), ("b", "ddo", 500.0),
    )]  # fmt: skip
    assert [ReferenceRows(rows, ["mle"]).cost_over_control(row) for row in rows] == [None, 1.0, 2.5, None, None]
    assert [ReferenceRows(rows, ["other"]).cost_over_control(row) for row in rows] == [None] * 5


def test_rows_of_different_seeds_are_paired_by_the_seed_and_not_by_the_place(load, publish_records, make_record):
    board = load(("  tune:\n", "  tune: {only: 'seed=1,2'}\n"))
    publish_records(board)
    rows = {row.method: row for row in Table.from_collection(collect_published(board)).rows if row.base == "net"}
    found = difference(rows["tune"], rows["none"], board.columns[0])
    means = {cell.name: make_record(cell).metrics["distance"].mean for cell in board.cells}
    by_seed = [means[f"net/tune/s{seed}"] - means[f"net/none/s{seed}"] for seed in (1, 2)]
    assert (found.mean, found.n) == (pytest.approx(sum(by_seed) / 2), 2)
