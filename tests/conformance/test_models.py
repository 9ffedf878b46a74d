"""Every installed model gives what it declares."""

import pytest

from harness.components import Model
from harness.plugins import registry
from harness.testing.models import check_model


@pytest.mark.parametrize("name", registry().names("model"))
def test_a_model_delivers_what_it_declares(name):
    model = registry().get(Model, name, where="test")
    check_model(model, config=model.config(**model.smoke))


@pytest.mark.long
@pytest.mark.parametrize("name", registry().names("model"))
def test_a_model_of_default_size_delivers_what_it_declares(name):
    check_model(registry().get(Model, name, where="test"))
