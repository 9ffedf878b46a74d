"""Targets are looked up in sources, and nothing is imported."""

import sys

import pytest

from harness.target_sources import fault_in_source

SOURCE = """\
import os.path
from math import sqrt as root
if True:
    A, (B, *C) = 1, (2, 3)
def f():
    hidden = 1
class D:
    inner = 2
E: int = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes the source of a module that nothing imports."""

    def write(source, name="never_imported"):
        (tmp_path / f"{name}.py").write_text(source + "\nraise RuntimeError('imported')\n")
        monkeypatch.syspath_prepend(tmp_path)

    return write


def test_a_name_that_a_source_binds_is_found_without_importing_the_module(module):
    module(SOURCE)
    for name in ("os", "root", "A", "B", "C", "f", "D", "E"):
        assert fault_in_source(f"never_imported:{name}") is None
    for name in ("hidden", "inner", "sqrt", "path"):
        assert fault_in_source(f"never_imported:{name}").startswith(f"'never_imported:{name}': never_imported has no {name!r}; ")
    assert "never_imported" not in sys.modules


def test_a_module_that_is_not_there_is_a_fault_without_importing_anything():
    for path in ("no_such_module_anywhere:x", "harness.no_such_module:x", "no_such_package.module:x"):
        assert "cannot be imported: " in fault_in_source(path)


@pytest.mark.parametrize("source", ["from math import *\n", "def __getattr__(name):\n    return 1\n", "this is no Python\n"])
def test_where_only_importing_would_tell_nothing_is_said(module, source):
    module(source, "unclear")
    assert fault_in_source("unclear:x") is None
    assert fault_in_source("math:no_such_function") is None  # it has no source
