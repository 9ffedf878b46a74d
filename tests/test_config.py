import pytest
from pydantic import Field, ValidationError

from harness import Config


class Example(Config):
    count: int = Field(1, ge=0)
    share: float | None = None
    is_on: bool = False
    seeds: tuple[int, ...] = ()
    betas: list[float] | float | None = None
    levels: int | bool = 0


@pytest.mark.parametrize("field", ["count", "share"])
def test_truth_values_are_no_numbers(field):
    with pytest.raises(ValidationError, match="expected a number"):
        Example.model_validate({field: True})


@pytest.mark.parametrize("field", ["seeds", "betas"])
def test_truth_values_are_no_numbers_of_a_list(field):
    with pytest.raises(ValidationError, match="expected a number"):
        Example.model_validate({field: [1, True]})


def test_truth_values_are_truth_values():
    assert Example(is_on=True, count=2, share=None).is_on
    assert Example(levels=True, seeds=(1,), betas=[0.5]).levels is True


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan"), "inf", "nan"])
def test_a_setting_is_a_finite_number(value):
    with pytest.raises(ValidationError, match="finite number"):
        Example.model_validate({"share": value})


@pytest.mark.parametrize("value", ["1e-4", 1e-4])
def test_a_number_that_yaml_reads_as_text_is_the_number(value):
    assert Example.model_validate({"share": value}).share == 0.0001
