"""Every installed dataset is the same everywhere, and keeps its evaluation sets apart, or says which files it lacks."""

import pytest

from harness import Dataset, UserError
from harness.plugins import registry
from harness.testing.datasets import check_dataset


@pytest.mark.parametrize("name", registry().names("dataset"))
def test_a_dataset_repeats_and_keeps_its_sets_apart(name):
    component = registry().get(Dataset, name, where="test")
    try:
        component.check_readiness(component.config.model_validate(component.smoke))
    except UserError as error:
        message = str(error)
        if name in message and ("install" in message or "http" in message):
            pytest.skip(f"its files are not on this machine: {message}")
        raise
    check_dataset(component)
