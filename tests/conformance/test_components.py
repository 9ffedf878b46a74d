"""Every installed component and plugin, found by entry point, keeps the rules that need no data."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from harness.components import KINDS
from harness.hookspecs import GROUP
from harness.plugins import registry
from harness.testing.configs import HEAVY, LISTING, check_component, check_top_module_is_light

COMPONENTS = [provided.component for kind in KINDS for provided in registry().all(kind).values()]
MODULES = sorted({entry.module for entry in entry_points(group=GROUP)})


def test_no_installed_plugin_is_broken():
    assert not registry().broken


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.title)
def test_settings_summary_and_target_are_in_order(component):
    check_component(component)


@pytest.fixture(scope="module")
def is_all_light():
    """Whether one fresh interpreter lists all plugins without a heavy package; else each gets one, which names the guilty."""
    code = "\n".join(LISTING.format(module=module, heavy=set(HEAVY)) for module in MODULES)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return ended.returncode == 0 and not ended.stdout.strip()


@pytest.mark.parametrize("module", MODULES)
def test_listing_a_plugin_and_reading_its_boards_import_nothing_heavy(module, is_all_light):
    if not is_all_light:
        check_top_module_is_light(module)
