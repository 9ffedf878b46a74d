import pytest

from harness.report.marks import best_mean, is_at_floor, marked_rows
from harness.report.scores import Score

FLOOR = Score(1.0, 0.25, 10)


def scores(**means):
    return {name: Score(mean, None, 3) for name, mean in means.items()}


def test_the_best_mean_is_the_lowest_or_the_highest_as_the_metric_says(column, make_row):
    rows = [make_row(scores=scores(distance=value, likeness=value)) for value in (3.0, 1.0, 2.0)]
    assert best_mean(rows, column("distance")) == 1.0
    assert best_mean(rows, column("likeness")) == 3.0


def test_rows_with_missing_seeds_and_rows_of_data_do_not_compete(column, make_row):
    incomplete = make_row(scores=scores(distance=0.1), done=2)
    data = make_row(scores=scores(distance=0.2), is_data=True)
    complete = make_row(scores=scores(distance=0.3))
    assert best_mean([incomplete, data, complete], column()) == 0.3
    assert best_mean([incomplete, data], column()) is None
    marked = marked_rows([incomplete, data, complete], [column()], {})
    assert [row.is_best for row in marked] == [frozenset(), frozenset(), {"distance"}]


def test_nothing_is_the_best_while_a_row_that_may_win_lacks_seeds(column, make_row):
    neon = make_row(scores=scores(distance=6.93), seeds=4, done=4)
    sft = make_row(scores=scores(distance=4.14), seeds=4, done=3, lacking=1)
    assert [row.is_best for row in marked_rows([neon, sft], [column()], {})] == [frozenset()] * 2
    not_run = make_row(done=0, lacking=3)
    assert best_mean([neon, not_run], column()) is None


def test_a_row_that_cannot_win_any_more_holds_no_mark_back(column, make_row):
    best = make_row(scores=scores(distance=6.93))
    diverged = make_row(scores=scores(distance=4.14), done=1, lacking=1)  # its third seed has diverged
    data = make_row(scores=scores(distance=1.0), done=2, lacking=1, is_data=True)
    skipped = make_row(done=0)
    assert best_mean([best, diverged, data, skipped], column()) == 6.93


def test_rows_of_another_number_of_samples_hold_no_mark_back(column, make_row):
    rows = [make_row(scores=scores(distance=1.0), size=100), make_row(size=200, done=0, lacking=3)]
    assert marked_rows(rows, [column()], {})[0].is_best == {"distance"}


def test_equal_means_are_both_the_best(column, make_row):
    rows = marked_rows([make_row(scores=scores(distance=1.0)) for _ in range(2)], [column()], {})
    assert [row.is_best for row in rows] == [{"distance"}] * 2


def test_rows_compete_with_rows_of_the_same_number_of_samples(column, make_row):
    rows = [make_row(scores=scores(distance=value), size=size) for value, size in ((5.0, 100), (6.0, 100), (1.0, 200))]
    assert ["distance" in row.is_best for row in marked_rows(rows, [column()], {})] == [True, False, True]


@pytest.mark.parametrize(
    ("name", "mean", "expected"),
    [
        ("distance", 1.5, True),  # just two deviations above the floor
        ("distance", 1.51, False),
        ("distance", 0.1, True),  # better than real data
        ("likeness", 0.5, True),
        ("likeness", 0.49, False),
        ("likeness", 9.0, True),
    ],
)
def test_a_mean_within_two_deviations_of_the_floor_or_better_is_at_the_floor(column, name, mean, expected):
    assert is_at_floor(mean, FLOOR, column(name)) is expected


def test_a_floor_of_one_pair_leaves_no_slack(column):
    assert is_at_floor(1.0, Score(1.0, None, 1), column())
    assert not is_at_floor(1.0001, Score(1.0, None, 1), column())


def test_each_number_of_samples_has_its_own_floor(column, make_row):
    rows = [make_row(scores=scores(distance=1.2), size=size) for size in (100, 200)]
    floors = {"distance__n100": FLOOR, "distance__n200": Score(0.1, 0.01, 10)}
    assert [row.at_floor for row in marked_rows(rows, [column()], floors)] == [{"distance"}, frozenset()]


def test_without_scores_or_floors_there_are_no_marks(column, make_row):
    rows = [make_row(), make_row(scores=scores(distance=1.0), done=1)]
    for row in marked_rows(rows, [column()], {}):
        assert not row.is_best
        assert not row.at_floor


def test_marks_change_nothing_else(column, make_row):
    row = make_row(scores=scores(distance=1.0), notes=("diverged 1/3",))
    (marked,) = marked_rows([row], [column()], {"distance": FLOOR})
    assert (marked.scores, marked.notes, marked.done) == (row.scores, row.notes, row.done)
