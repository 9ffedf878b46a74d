"""A bounded cache keeps what was used last."""

import pytest

from harness.stages.most_recent import MostRecent


@pytest.fixture
def filled():
    """A full cache of three values: a, b and c, the oldest first."""
    cache = MostRecent(3)
    for letter in "abc":
        cache.keep(letter, letter.upper())
    return cache


def test_a_value_is_made_once(filled):
    assert filled.get("d", lambda: "D") == "D"
    assert filled.get("d", lambda: pytest.fail("made again")) == "D"


def test_the_value_that_was_not_used_for_longest_goes(filled):
    assert filled.get("a", lambda: pytest.fail("it is there")) == "A"
    assert filled.find("b") == "B"
    filled.keep("d", "D")
    assert [filled.find(letter) for letter in "abcd"] == ["A", "B", None, "D"]
    assert len(filled) == 3


def test_room_is_made_before_a_value_so_that_both_need_not_fit_memory(filled):
    assert filled.get("d", lambda: len(filled)) == 2


def test_a_newer_value_replaces_the_one_of_its_key(filled):
    filled.keep("a", "new")
    assert filled.find("a") == "new"
    assert len(filled) == 3
    filled.keep("d", "D")
    assert filled.find("b") is None


def test_a_value_that_cannot_be_made_is_not_there_and_may_be_made_later(filled):
    with pytest.raises(ZeroDivisionError):
        filled.get("d", lambda: 1 / 0)
    assert filled.find("d") is None
    assert filled.get("d", lambda: 4) == 4
