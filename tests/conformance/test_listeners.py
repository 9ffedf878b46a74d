"""Every installed plugin that listens can be called as a run calls it."""

from importlib import import_module
from importlib.metadata import entry_points

import pytest

from harness.hookspecs import GROUP
from harness.testing.listeners import check_listener, listen_hooks

MODULES = sorted({entry.module for entry in entry_points(group=GROUP)})


@pytest.mark.parametrize("module", MODULES)
def test_a_plugin_hears_what_it_says_it_hears(module):
    if listen_hooks(import_module(module)):
        check_listener(module)
