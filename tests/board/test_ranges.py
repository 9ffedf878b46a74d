"""A metric's value is finite and within the range that its plugin declares, up to rounding."""

import math

import pytest

from harness import Metric
from harness.board.ranges import value_fault

SHARE = Metric("share", build="x:y", summary="", lowest=0.0, highest=1.0)
SCORE = Metric("score", build="x:y", summary="", lowest=1000.0)


@pytest.mark.parametrize(("metric", "value", "fault"), [
    (SHARE, 0.5, None),
    (SHARE, 0.0, None),
    (SHARE, 1.0, None),
    (SHARE, 1 + 1e-9, None),
    (SHARE, 1.375, "is 1.375, and the highest value of share is 1"),
    (SHARE, -1e-9, None),
    (SHARE, -0.01, "is -0.01, and the lowest value of share is 0"),
    (SHARE, math.nan, "is nan"),
    (SCORE, math.inf, "is inf"),
    (SCORE, 999.9995, None),
    (SCORE, 999.9, "is 999.9, and the lowest value of score is 1000"),
    (SCORE, 1e9, None),
    (Metric("any", build="x:y", summary=""), -1e9, None),
])  # fmt: skip
def test_a_value_outside_of_its_range_is_told(metric, value, fault):
    assert value_fault(metric, value) == fault
