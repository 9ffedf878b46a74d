"""The page on the contract lists every module that the plugins of this repository rely on, and has an entry for each."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from imports import ROOT, modules, plugin_packages, statements

PAGE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
LISTED = {name for name in re.findall(r"`(harness\.[\w.]+)`", PAGE) if find_spec(name)}
ROOMS_OF_PLUGINS = ("harness.toolkit", "harness.testing")


def modules_of_the_core(package: str) -> set[str]:
    """The modules of `harness` that a plugin imports, without those of the rooms that are for plugins as a whole."""
    files = modules(ROOT / "plugins", package).values()
    imported = {names[0] for file in files for names in statements(Path(file)) if names[0].startswith("harness.")}
    return {name for name in imported if not name.startswith(ROOMS_OF_PLUGINS)}


@pytest.mark.parametrize("package", plugin_packages())
def test_what_a_plugin_imports_stands_in_the_table(package):
    in_a_package_of_the_table = {name for name in modules_of_the_core(package) if name.rpartition(".")[0] in LISTED}
    assert modules_of_the_core(package) - LISTED - in_a_package_of_the_table == set()


@pytest.mark.parametrize("name", sorted(LISTED - set(ROOMS_OF_PLUGINS)))
def test_a_module_of_the_table_has_an_entry(name):
    assert re.search(rf"^::: {re.escape(name)}(\.\w+)?$", PAGE, flags=re.MULTILINE)
