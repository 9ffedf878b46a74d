"""Numbers over repetitions: mean, deviation, and what stands beside the value."""

import pytest

from harness import Metric
from harness.measure.measurement import MeasuredMetric
from harness.measure.named_components import resolve


def measured(*values):
    return MeasuredMetric("fid-20[pixels]", resolve(Metric, "fid", {}, where="test"), values, {}, seconds=0.5)


def test_one_repetition_has_a_mean_and_no_deviation():
    assert (measured(3.5).mean, measured(3.5).deviation) == (3.5, None)


def test_several_have_the_unbiased_standard_deviation():
    assert measured(1.0, 2.0, 6.0).mean == pytest.approx(3)
    assert measured(1.0, 2.0, 6.0).deviation == pytest.approx(7**0.5)  # (4 + 1 + 9) / 2, by hand


def test_the_component_is_the_metric_s():
    assert measured(1.0).component.name == "fid"
    assert not measured(1.0).component.higher_is_better
