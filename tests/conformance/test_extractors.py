"""Every installed extractor gives the features it declares, or says which weights it lacks."""

import pytest

from harness import UserError
from harness.plugins import registry
from harness.testing.extractors import check_extractor

EXTRACTORS = registry().all("extractor")


@pytest.mark.parametrize("name", EXTRACTORS)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_extractor_gives_what_it_declares(name, channels):
    component = EXTRACTORS[name].component
    try:
        component.check_readiness(component.config(**component.smoke))
    except UserError as error:
        message = str(error)
        assert all(word in message for word in ("http", "sha256")), message
        pytest.skip(f"its weights are not on this machine: {message}")
    check_extractor(component, shape=(channels, 32, 32))
