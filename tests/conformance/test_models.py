"""Every installed model gives what it declares."""

import pytest

from harness.plugins import registry
from harness.testing.models import check_model

MODELS = registry().all("model")


@pytest.mark.parametrize("name", MODELS)
def test_a_model_delivers_what_it_declares(name):
    check_model(MODELS[name].component)
