import numpy as np
import pytest

from harness.report.collect import collect_published
from harness.report.floors import FloorDraws
from harness.report.marks import best_rows, marked_rows
from harness.report.scores import score_of
from harness.report.table import Table

FLOOR = {"distance": FloorDraws([0.9, 1.1, 0.8, 1.2, 1.0]), "likeness": FloorDraws([0.9, 1.1, 0.8, 1.2, 1.0])}
"""Mean 1.0, standard deviation 0.158. A row of three seeds with two draws each differs at 5 % from 0.266 on."""


@pytest.fixture
def row_of(make_row):
    """Makes a row of these values, one a seed, in both columns."""

    def make(*values, **fields):
        of_column = {"values": {}, "scores": {}}
        for name in ("distance", "likeness"):
            of_column["values"][name] = tuple(values)
            of_column["scores"][name] = score_of([value for value in values if value is not None])
        return make_row(**{"seeds": len(values), "done": len(values), **of_column, **fields})

    return make


def best(rows, column, floors=None):
    return [column.name in row.maybe_best for row in marked_rows(rows, [column], floors or {})]


def test_what_no_row_is_better_than_by_a_test_is_the_best_in_the_direction_of_the_metric(column, row_of):
    rows = [row_of(1.0, 2.1, 3.0), row_of(1.1, 2.0, 3.1), row_of(14.0, 15.2, 15.9)]
    assert best(rows, column("distance")) == [True, True, False]
    assert best(rows, column("likeness")) == [False, False, True]


def test_rows_with_missing_seeds_and_rows_of_data_do_not_compete(column, row_of):
    incomplete = row_of(0.1, 0.2, None, done=2)
    data = row_of(0.2, 0.1, 0.2, is_data=True)
    complete = row_of(30.1, 30.3, 30.2)
    assert best([incomplete, data, complete], column()) == [False, False, True]
    assert best([incomplete, data], column()) == [False, False]


def test_nothing_is_the_best_while_a_row_that_may_win_lacks_seeds(column, row_of, make_row):
    neon = row_of(6.9, 6.8, 7.0, 7.1)
    sft = row_of(4.1, 4.2, 4.0, None, done=3, lacking=1)
    assert best([neon, sft], column()) == [False, False]
    assert best([neon, make_row(seeds=4, done=0, lacking=4)], column()) == [False, False]


def test_a_row_that_cannot_win_any_more_holds_no_mark_back(column, row_of, make_row):
    whole = row_of(6.9, 6.8, 7.0)
    diverged = row_of(4.1, None, None, done=1, lacking=1)  # its third seed has diverged
    data = row_of(1.0, 1.0, None, done=2, lacking=1, is_data=True)
    assert best([whole, diverged, data, make_row(done=0)], column()) == [True, False, False, False]


def test_rows_compete_with_rows_of_the_same_number_of_samples(column, row_of, make_row):
    rows = [row_of(5.0, 5.1, size=100), row_of(90.0, 90.2, size=100), row_of(1.0, 1.1, size=200)]
    assert best([*rows, make_row(size=300, done=0, lacking=3)], column()) == [True, False, True, False]


def test_one_seed_tells_no_rows_apart_so_that_none_is_the_best(column, row_of):
    assert best_rows([row_of(1.0), row_of(2.0)], column(), (None, None)) == set()


def test_a_row_that_lacks_a_metric_does_not_compete_in_it(column, row_of):
    assert best([row_of(1.0, 1.1, 1.2), row_of(0.1, None, 0.2)], column()) == [True, False]


@pytest.mark.parametrize(
    ("name", "value", "at_floor", "beyond"),
    [
        ("distance", 1.25, True, False),
        ("distance", 1.3, False, False),  # within two deviations of single pairs, and told from real data
        ("distance", 0.75, True, False),
        ("distance", 0.7, False, True),
        ("likeness", 1.25, True, False),
        ("likeness", 1.3, False, True),
        ("likeness", 0.7, False, False),
    ],
)
def test_a_row_is_at_the_floor_where_a_test_does_not_tell_it_from_real_data(column, row_of, name, value, at_floor, beyond):
    (row,) = marked_rows([row_of(value - 0.3, value, value + 0.3)], [column(name)], FLOOR)
    assert (name in row.at_floor, name in row.beyond_floor) == (at_floor, beyond)


def test_draws_that_share_examples_tell_less(column, row_of):
    floors = {"distance": FloorDraws(FLOOR["distance"].values, shared=0.5)}
    model, data = row_of(1.0, 1.3, 1.6), row_of(1.0, 1.3, 1.6, is_data=True)
    marked = marked_rows([model, data], [column()], floors)
    assert [row.at_floor for row in marked] == [{"distance"}, frozenset()]  # data are drawn as the floor is


def test_a_row_that_lacks_seeds_has_no_mark(column, row_of):
    (row,) = marked_rows([row_of(1.0, 1.0, None, done=2)], [column()], FLOOR)
    assert (row.at_floor, row.beyond_floor, row.maybe_best) == (frozenset(),) * 3


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0]])
def test_a_floor_without_a_spread_makes_no_mark(column, row_of, values):
    (row,) = marked_rows([row_of(1.0, 1.1, 1.2)], [column()], {"distance": FloorDraws(values)})
    assert not row.at_floor


def test_each_number_of_samples_has_its_own_floor(column, row_of):
    rows = [row_of(1.0, 1.1, 1.2, size=size) for size in (100, 200)]
    floors = {"distance__n100": FLOOR["distance"], "distance__n200": FloorDraws([0.1, 0.11, 0.09])}
    assert [row.at_floor for row in marked_rows(rows, [column()], floors)] == [{"distance"}, frozenset()]


def test_without_scores_or_floors_there_are_no_marks_of_the_floor(column, row_of, make_row):
    for row in marked_rows([make_row(), row_of(1.0, 1.1, 1.2)], [column()], {}):
        assert not row.at_floor | row.beyond_floor


def test_marks_change_nothing_else(column, row_of):
    row = row_of(1.0, 1.1, 1.2, notes=("diverged 1/3",))
    (marked,) = marked_rows([row], [column()], FLOOR)
    assert (marked.scores, marked.notes, marked.done) == (row.scores, row.notes, row.done)


def floor_and_row(row_of, rng, *, effect):
    """A floor of 20 pairs, and a row of six seeds with two draws each, which are draws of the floor with an effect added."""
    floor, draws = rng.normal(1.0, 0.1, size=20), rng.normal(1.0 + effect, 0.1, size=(6, 2))
    return {"distance": FloorDraws(list(floor))}, row_of(*draws.mean(1))


def share_without_mark(column, row_of, *, effect, boards):
    rng, lacking = np.random.default_rng(0), 0
    for _ in range(boards):
        floors, row = floor_and_row(row_of, rng, effect=effect)
        lacking += not marked_rows([row], [column()], floors)[0].at_floor
    return lacking / boards


def test_a_perfect_model_lacks_its_mark_on_5_percent_of_1000_boards(column, row_of):
    # Two deviations of single pairs would keep the mark on all. 1,000 boards: a standard deviation of 0.007.
    assert share_without_mark(column, row_of, effect=0.0, boards=1000) == pytest.approx(0.05, abs=0.02)


def test_a_model_one_deviation_off_the_floor_loses_its_mark_on_two_of_three_boards(column, row_of):
    # 12 draws and 20 pairs: the standard error is 0.37 deviations.
    assert share_without_mark(column, row_of, effect=0.1, boards=200) > 0.65


def test_the_best_of_equal_rows_keeps_its_mark_on_95_percent_of_boards_and_a_worse_row_loses_it(column, row_of):
    # Cells of a seed share a part that is three times as large as what they do not share. The last row is 4 deviations worse.
    rng, effects, kept, worse = np.random.default_rng(0), np.array([0.0, 0.0, 0.0, 0.0, 4.0]), 0, 0
    for _ in range(400):
        values = effects[:, None] + rng.normal(scale=3.0, size=(1, 6)) + rng.normal(size=(5, 6))
        marked = best([row_of(*of_row) for of_row in values], column())
        kept, worse = kept + marked[0], worse + marked[-1]
    assert kept / 400 > 0.93
    assert worse / 400 < 0.1


def test_rows_compete_with_rows_of_the_same_sampler(column, row_of, make_row):
    rows = [row_of(5.0, 5.1, sampler="cfg"), row_of(90.0, 90.2, sampler="cfg"), row_of(1.0, 1.1, sampler="heun")]
    assert best([*rows, make_row(sampler="euler", done=0, lacking=3)], column()) == [True, False, True, False]


def test_a_row_that_the_board_gives_fewer_seeds_competes_over_those_that_it_has(load, publish_records):
    board = load(("  tune:\n", "  tune: {only: 'seed=1,2'}\n"))
    publish_records(board)
    rows = {(row.base, row.method): row for row in Table.from_collection(collect_published(board)).rows}
    assert "distance" in rows["net", "tune"].maybe_best
    assert "distance" not in rows["net", "none"].maybe_best
