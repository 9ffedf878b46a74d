"""Every installed metric rates nearer sets better, and repeats."""

import pytest

from harness.components import Metric
from harness.plugins import registry
from harness.testing.metrics import check_metric


@pytest.mark.parametrize("name", registry().names("metric"))
def test_a_metric_repeats_and_rates_nearer_sets_better(name):
    check_metric(registry().get(Metric, name, where="test"))
