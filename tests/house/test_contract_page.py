"""The page on the contract lists every module that the plugins of this repository rely on, and has an entry for each."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from imports import ROOT, modules, plugin_packages, statements

PAGE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
CORE = modules(ROOT, "harness")
LISTED = {name for name in re.findall(r"`(harness\.[\w.]+)`", PAGE) if name in CORE}
ROOMS_OF_PLUGINS = ("harness.toolkit", "harness.testing")


def modules_of_the_core(package: str) -> set[str]:
    """The modules of `harness` that a plugin imports, without those of the rooms that are for plugins as a whole."""
    found = set()
    for file in modules(ROOT / "plugins", package).values():
        for names in statements(file):
            in_core = [name for name in names if name in CORE]
            found |= set(in_core[1:] or in_core)  # `from harness.weights import layouts` names the package first
    return {name for name in found if name != "harness" and not name.startswith(ROOMS_OF_PLUGINS)}


@pytest.mark.parametrize("package", plugin_packages())
def test_what_a_plugin_imports_stands_in_the_table(package):
    assert {
        name for name in modules_of_the_core(package) if name not in LISTED and name.rpartition(".")[0] not in LISTED
    } == set()


@pytest.mark.parametrize("name", sorted(LISTED - set(ROOMS_OF_PLUGINS)))
def test_a_module_of_the_table_has_an_entry(name):
    assert re.search(rf"^::: {re.escape(name)}(\.\w+)?$", PAGE, flags=re.MULTILINE)
