"""Targets are text until they are needed, and what they build is looked at before anybody uses it."""

import subprocess
import sys
from typing import Protocol, runtime_checkable

import pytest

from harness.errors import PluginFault, UserError
from harness.targets import Target, conforming, protocol_members, require


@runtime_checkable
class Counts(Protocol):
    start: int

    def __call__(self, step: int) -> int: ...

    @property
    def name(self) -> str: ...

    def reset(self) -> None: ...


@runtime_checkable
class CountsBack(Counts, Protocol):
    def back(self) -> None: ...


class Counter:
    start = 3
    name = "counter"

    def __call__(self, step):
        return self.start + step

    def reset(self):
        self.start = 3


def test_a_target_is_the_attribute_of_its_module():
    assert Target[object]("math:pi").load() == pytest.approx(3.14159265)
    assert Target[object]("harness.targets:Target").load() is Target


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "no_such_module_anywhere:x",
            "cannot be imported: ModuleNotFoundError: No module named 'no_such_module_anywhere'; mend the plugin",
        ),
        ("math:sqr", "math has no 'sqr'; did you mean 'sqrt'? write module:attribute in the plugin"),
        ("math", "math has no ''; write module:attribute in the plugin"),
    ],
)
def test_a_target_that_is_not_there_is_a_fault_of_the_plugin_in_one_line(path, message):
    with pytest.raises(PluginFault) as caught:
        Target[object](path).load(where="metric w2, build")
    assert str(caught.value).startswith(f"metric w2, build: {path!r}")
    assert str(caught.value).endswith(message)


def test_a_module_that_fails_while_it_is_imported_is_named_with_its_error(tmp_path, monkeypatch):
    (tmp_path / "fails_at_import.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginFault, match="'fails_at_import:x' cannot be imported: ZeroDivisionError: division by zero"):
        Target[object]("fails_at_import:x").load()


def test_making_a_target_imports_nothing(tmp_path):
    (tmp_path / "loud.py").write_text("raise RuntimeError('imported')\n")
    code = "from harness.targets import Target; Target('loud:x'); print('quiet')"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout == "quiet\n"


def test_what_has_all_members_of_a_protocol_conforms_and_is_given_back():
    counter = Counter()
    assert conforming(counter, Counts, where="here") is counter
    assert conforming(7, int, where="here") == 7


def test_what_lacks_members_is_refused_with_their_names():
    with pytest.raises(UserError) as caught:
        conforming(object(), Counts, where="sampler walk: fake:build")
    assert str(caught.value) == (
        "sampler walk: fake:build gave a object without __call__, name, reset, start; it must give a "
        f"{__name__}.Counts: derive from that, or define every member"
    )


def test_an_object_of_another_class_is_refused_without_a_list_of_members():
    with pytest.raises(UserError, match=r"^model net: x:y gave a str; it must give a builtins.int:"):
        conforming("7", int, where="model net: x:y")


def test_the_members_of_a_protocol_are_its_own_and_those_of_its_bases():
    assert protocol_members(Counts) == ["__call__", "name", "reset", "start"]
    assert protocol_members(CountsBack) == ["__call__", "back", "name", "reset", "start"]
    assert protocol_members(int) == []


def test_a_package_that_is_there_is_no_fault_and_an_absent_one_names_the_command():
    require("math", "pip install maths", where="metric w2")
    with pytest.raises(UserError) as caught:
        require("no_such_package_anywhere", "pip install it", where="metric w2")
    assert str(caught.value) == "metric w2: needs no_such_package_anywhere, which is not installed; pip install it"
