import numpy as np
import pytest

from harness.statistics.best import maybe_best


def boards(means, seeds, number, *, spread=1.0):
    """Simulated values, (number, rows, seeds): what cells of a seed share is as large as what they do not."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(number, 1, seeds))
    return np.array(means)[:, None] + shared + spread * rng.normal(size=(number, len(means), seeds))


def share_of_boards(values, row):
    return np.mean([maybe_best(board, higher_is_better=False)[row] for board in values])


def test_the_best_and_what_cannot_be_told_from_it():
    rows = [[1.0, 2.1, 3.0, 2.0], [1.1, 2.0, 3.1, 1.9], [4.0, 5.2, 5.9, 5.1]]
    assert list(maybe_best(rows, higher_is_better=False)) == [True, True, False]
    assert list(maybe_best(rows, higher_is_better=True)) == [False, False, True]


def test_one_seed_tells_no_rows_apart():
    assert maybe_best([[1.0], [100.0]], higher_is_better=False).all()


def test_equal_rows_are_all_the_best():
    assert maybe_best([[1.0, 2.0, 3.0]] * 3, higher_is_better=False).all()


def test_the_best_mean_is_always_in_the_set():
    values = boards([0.0] * 5, 3, 200)
    for board in values:
        assert maybe_best(board, higher_is_better=False)[board.mean(1).argmin()]


@pytest.mark.parametrize(("rows", "seeds"), [(3, 3), (10, 3), (10, 9)])
def test_the_truly_best_row_is_lost_on_at_most_5_percent_of_boards(rows, seeds):
    # All rows are equally good, which is the worst case: each of the others may seem better than the first.
    lost = 1 - share_of_boards(boards([0.0] * rows, seeds, 1000), 0)
    assert 0.02 < lost < 0.065  # 0.05 and less by the bound; 1,000 boards: a standard deviation of 0.007


def test_rows_of_different_spreads_lose_the_best_no_more_often():
    values = boards([0.0] * 8, 3, 1000, spread=np.array([0.1, 0.1, 1.0, 1.0, 5.0, 5.0, 20.0, 20.0])[:, None])
    assert 1 - share_of_boards(values, 0) < 0.065


def test_a_row_that_is_worse_by_4_deviations_is_told_with_9_seeds_and_hardly_with_3():
    # The difference of two cells has sd √2: 4 of a cell's own deviations, over 9 seeds, are t = 8.5, and over 3 seeds 4.9.
    means = [0.0, 4.0, 4.0, 4.0, 4.0]
    assert share_of_boards(boards(means, 9, 1000), 1) < 0.01
    assert share_of_boards(boards(means, 3, 1000), 1) > 0.5


def test_rows_are_compared_over_the_seeds_that_they_share():
    nan = float("nan")
    rows = [[1.0, 2.1, 3.0, 2.0], [nan, 4.1, 5.2, 3.9], [2.0, nan, nan, nan]]
    # The second row is worse on each shared seed; the third shares one seed with the first, of which there is no test.
    assert list(maybe_best(rows, higher_is_better=False)) == [True, False, True]


def test_rows_without_some_seeds_are_marked_as_without_these_seeds_in_all_rows():
    board = boards([0.0, 1.0, 2.0], 5, 1)[0]
    padded = np.hstack([board, np.full((3, 2), np.nan)])
    assert list(maybe_best(padded, higher_is_better=False)) == list(maybe_best(board, higher_is_better=False))
