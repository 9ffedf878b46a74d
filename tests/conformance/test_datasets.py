"""Every installed dataset is the same everywhere, and keeps its evaluation sets apart, or says which files it lacks."""

import pytest

from harness import UserError
from harness.plugins import registry
from harness.testing.datasets import check_dataset

DATASETS = registry().all("dataset")


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_repeats_and_keeps_its_sets_apart(name):
    component = DATASETS[name].component
    try:
        component.check_readiness(component.config(**component.smoke))
    except UserError as error:
        message = str(error)
        if name in message and ("install" in message or "http" in message):
            pytest.skip(f"its files are not on this machine: {message}")
        raise
    check_dataset(component)
