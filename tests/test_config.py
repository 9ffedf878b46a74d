import pytest
from pydantic import Field, ValidationError

from harness import Config


class Example(Config):
    count: int = Field(1, ge=0)
    share: float | None = None
    is_on: bool = False


@pytest.mark.parametrize("field", ["count", "share"])
def test_truth_values_are_no_numbers(field):
    with pytest.raises(ValidationError, match="expected a number"):
        Example.model_validate({field: True})


def test_truth_values_are_truth_values():
    assert Example(is_on=True, count=2, share=None).is_on
