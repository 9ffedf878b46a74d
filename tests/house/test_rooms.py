"""The layout of the core: rooms in an order, every import pointing down, no circle, and no plugin known by name."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from imports import ROOT, circles, graph, imported, modules, plugin_packages

ROOMS = (
    "contract",  # the modules at the root of harness/
    "statistics",
    "process",
    "store",
    "weights",
    "images",
    "sampling",
    "training",
    "board",
    "stages",
    "run",
    "measure",
    "report",
    "site",
    "results",
    "submission",
    "scaffold",
    "cli",
)
"""Lowest first: a room imports the rooms before it."""

BESIDE = {"toolkit", "testing"}
"""Rooms for plugin authors: the core imports neither, but for the command that runs the checks of `testing`, which may use
everything below `cli`; `toolkit` may use the contract and what lies below `sampling`."""

CORE = modules(ROOT, "harness")


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in {*ROOMS, *BESIDE} else "contract"


def test_every_folder_of_the_core_is_a_room():
    folders = {file.parent.name for file in (ROOT / "harness").glob("*/__init__.py")}
    assert folders == ({*ROOMS} - {"contract"}) | BESIDE


def test_imports_point_down():
    upward = [
        f"{name} -> {other}"
        for name, others in graph(CORE).items()
        for other in others
        if room(name) in ROOMS and room(other) in ROOMS and ROOMS.index(room(other)) > ROOMS.index(room(name))
    ]
    assert upward == ["harness.__main__ -> harness.cli"]


def test_no_modules_and_no_rooms_form_a_circle():
    edges = graph(CORE)
    assert circles(edges) == []
    rooms: dict[str, set[str]] = {room(name): set() for name in CORE}
    for name, others in edges.items():
        if name != "harness.__main__":
            rooms[room(name)] |= {room(other) for other in others} - {room(name)}
    assert circles(rooms) == []


@pytest.mark.parametrize("package", plugin_packages())
def test_modules_of_a_plugin_form_no_circle(package):
    # A hook in the top module imports what it gives when it is called: listing plugins costs nothing that way. In every
    # other file an import inside a function counts like one at the top.
    assert circles(graph(modules(ROOT / "plugins", package), lazy={package})) == []


def a_package(folder, **sources):
    (folder / "package").mkdir()
    for name, source in sources.items():
        (folder / "package" / f"{name}.py").write_text(source)
    return modules(folder, "package")


def test_an_import_inside_a_function_closes_a_circle_except_in_a_lazy_module(tmp_path):
    hook, lazy_build = "def hook():\n    import package.model\n", "def build():\n    from package.latents import build\n"
    files = a_package(tmp_path, __init__=hook, model=f"import package\n{lazy_build}", latents="from package.model import A\n")
    assert circles(graph(files, lazy={"package"})) == [["package.latents", "package.model"]]
    assert circles(graph(files)) == [["package", "package.latents", "package.model"]]


def test_an_import_of_a_package_counts_beside_one_of_its_modules(tmp_path):
    files = a_package(tmp_path, __init__="import package.a\n", a="from package import b\nfrom package import C\n", b="")
    assert circles(graph(files)) == [["package", "package.a"]]
    files["package.a"].with_name("c.py").write_text("from package import b\n")
    assert graph(modules(tmp_path, "package"))["package.c"] == {"package.b"}


def test_only_plugins_use_the_toolkit():
    users = {
        name
        for name, file in CORE.items()
        if any(target.startswith("harness.toolkit") for target in imported(file)) and room(name) not in BESIDE
    }
    assert users == set()


def test_the_core_imports_no_plugin_and_no_tests_of_plugins():
    users = {name for name, file in CORE.items() if any(target.startswith("harness_") for target in imported(file))}
    assert users == set()
    outside = {name for name, file in CORE.items() if room(name) in ROOMS and "harness.testing" in set(imported(file))}
    assert outside == set()


@pytest.mark.parametrize("package", plugin_packages())
def test_a_plugin_imports_the_harness_and_no_other_plugin(package):
    foreign = {
        target
        for file in (ROOT / "plugins" / package).rglob("*.py")
        for target in imported(file)
        if target.startswith("harness_") and not re.match(rf"{package}(\.|$)", target)
    }
    assert foreign == set()


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [["a", "b", "c"]]


def test_an_import_for_type_checkers_alone_does_not_count(tmp_path):
    file = tmp_path / "module.py"
    file.write_text("from typing import TYPE_CHECKING\nimport a.b\nif TYPE_CHECKING:\n    import c\nfrom d import e\n")
    assert imported(file) == ("typing", "typing.TYPE_CHECKING", "a.b", "d", "d.e")
