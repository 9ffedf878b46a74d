"""Every installed metric rates nearer sets better, and repeats."""

import pytest

from harness.plugins import registry
from harness.testing.metrics import check_metric

METRICS = registry().all("metric")


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_repeats_and_rates_nearer_sets_better(name):
    check_metric(METRICS[name].component)
