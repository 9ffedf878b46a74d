"""Every installed dataset is the same everywhere, and keeps its evaluation sets apart."""

import pytest

from harness.plugins import registry
from harness.testing.datasets import check_dataset

DATASETS = registry().all("dataset")


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_repeats_and_keeps_its_sets_apart(name):
    check_dataset(DATASETS[name].component)
