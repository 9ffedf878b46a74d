"""Every installed preset says what is true of its network, and every layout reads the network's own files."""

import pytest

from harness.components import Model
from harness.plugins import registry
from harness.testing.presets import check_layout, check_preset

PRESETS = registry().presets
LAYOUTS = [name for name, provided in registry().all("model").items() if getattr(provided.component, "layout", "")]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_what_is_true_of_its_network(name):
    check_preset(PRESETS[name], registry().get(Model, PRESETS[name].model, where="test"))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_reads_files_of_the_network_itself(name):
    check_layout(registry().get(Model, name, where="test"))
