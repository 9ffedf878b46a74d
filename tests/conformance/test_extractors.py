"""Every installed extractor gives the features it declares, or says which weights it lacks."""

import pytest

from harness import Extractor, UserError
from harness.plugins import registry
from harness.testing.extractors import check_extractor


@pytest.mark.parametrize("name", registry().names("extractor"))
@pytest.mark.parametrize("channels", [1, 3])
def test_an_extractor_gives_what_it_declares(name, channels):
    component = registry().get(Extractor, name, where="test")
    try:
        component.check_readiness(component.config.model_validate(component.smoke))
    except UserError as error:
        message = str(error)
        assert all(word in message for word in ("http", "sha256")), message
        pytest.skip(f"its weights are not on this machine: {message}")
    check_extractor(component, shape=(channels, 32, 32))
