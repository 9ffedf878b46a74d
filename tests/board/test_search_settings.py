import pytest
from pydantic import ValidationError

from harness.board.search_settings import DimensionConfig, SearchConfig

SEARCH = {"method": "ddo", "bases": "net", "space": {"beta": {"low": 1, "high": 2}}, "seeds": [100], "chosen": "a/b.yaml"}


@pytest.mark.parametrize(
    ("dimension", "fault"),
    [
        ({}, "needs low and high, or choices"),
        ({"low": 1}, "needs low and high, or choices"),
        ({"low": 2, "high": 1}, "low (2) is not below high (1)"),
        ({"low": 0, "high": 1, "log": True}, "low (0) is not above 0, and log needs that"),
        ({"choices": [1, 2], "low": 1}, "has choices and a range"),
        ({"choices": [1]}, "choices needs two different values or more"),
        ({"choices": [1, 2, 1.0]}, "choices needs two different values or more"),
    ],
)
def test_a_dimension_that_is_none_is_a_fault(dimension, fault):
    with pytest.raises(ValidationError) as error:
        DimensionConfig.model_validate(dimension)
    assert fault in str(error.value)


def test_choices_keep_their_types():
    assert [type(value) for value in DimensionConfig(choices=[True, 1, 2.0, "word"]).choices] == [bool, int, float, str]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"seeds": [1, 1]}, "seeds has a value twice: [1, 1]"),
        ({"bases": ["a", "a"]}, "bases has a value twice"),
        ({"budget": 100, "space": {"training.images": {"choices": [1, 2]}}}, "has a budget and training.images in its space"),
        ({"chosen": "/tmp/x.yaml"}, "chosen"),
        ({"chosen": "x.txt"}, "chosen"),
    ],
)
def test_a_search_that_is_none_is_a_fault(changes, fault):
    with pytest.raises(ValidationError) as error:
        SearchConfig.model_validate({**SEARCH, **changes})
    assert fault in str(error.value)


def test_what_a_search_asks_for_does_not_depend_on_how_many_trials_there_are():
    few, many = (SearchConfig.model_validate({**SEARCH, "trials": trials}) for trials in (5, 50))
    assert few.asked == many.asked == {"space": {"beta": {"low": 1.0, "high": 2.0}}, "seeds": [100]}
