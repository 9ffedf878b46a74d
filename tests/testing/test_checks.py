"""Checks as values: their order, and what they are called."""

from functools import partial

import pytest

from harness.testing.checks import run_all, title


def check_sums_agree(numbers):
    """Check that sums agree, and that nothing is lost: a sum is all there is.

    More words.
    """
    if sum(numbers):
        raise AssertionError(f"{numbers} do not")


def check_without_words():
    raise AssertionError


def test_the_first_that_fails_ends_the_others():
    seen = []
    with pytest.raises(AssertionError, match=r"\[1\] do not"):
        run_all(iter([partial(seen.append, 1), partial(check_sums_agree, [1]), partial(seen.append, 2)]))
    assert seen == [1]


def test_a_check_is_called_what_its_first_sentence_says():
    assert title(partial(check_sums_agree, [1])) == "sums agree, and nothing is lost: a sum is all there is"


def test_a_check_without_a_docstring_has_its_name():
    assert title(check_without_words) == "without words"
