"""Conformance of any component: settings, name and summary, targets, and the weight of its plugin's top module."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from types import FunctionType

import pydantic

from harness.capabilities import PROTOCOLS
from harness.components import Component
from harness.config import Config
from harness.errors import PluginFault
from harness.testing.checks import Checks, run_all
from harness.testing.expect import expect

HEAVY = ("torch", "sklearn", "ot", "torchvision", "scipy", "matplotlib")
"""Packages that take seconds to import. People stop using a listing that waits for them."""

LISTING = """
import sys
import {module} as plugin
from importlib import import_module
from harness.components import KINDS

targets = set()
for kind in KINDS:
    # The check of a sampler sees a network, so torch is there by then.
    fields = ("check_ready", "files", "spec", *(("check",) if kind != "sampler" else ()))
    for component in getattr(plugin, f"harness_{{kind}}s", list)():
        targets |= {{getattr(component, field, "") for field in fields}}
for target in targets - {{""}}:
    import_module(target.partition(":")[0])
print(*sorted({heavy!r} & set(sys.modules)))
"""
"""A program that imports what a listing and the reading of a board import of a plugin."""


def check_component(component: Component) -> None:
    """Run all checks of this module that need no fresh interpreter."""
    run_all(component_checks(component))


def component_checks(component: Component) -> Checks:
    """Yield the checks of `check_component`."""
    yield partial(check_unknown_keys_are_rejected, component.config)
    yield partial(check_settings_are_frozen, component.config)
    yield partial(check_fields_are_described, component.config)
    yield partial(check_travels_to_workers, component)
    yield partial(check_smoke_settings_are_valid, component)
    yield partial(check_name_and_summary, component)
    yield partial(check_target_loads, component)


def check_unknown_keys_are_rejected(cls: type[Config]) -> None:
    """Check that settings refuse an unknown key: a board with a typo must not run as if nothing were wrong."""
    try:
        cls.model_validate({"no_such_setting": 1})
    except pydantic.ValidationError as error:
        kinds = {fault["type"] for fault in error.errors() if fault["loc"] == ("no_such_setting",)}
        expect(kinds == {"extra_forbidden"}, f"{cls.__name__} does not name an unknown key as the fault: {error}")
    else:
        raise AssertionError(f"{cls.__name__} takes unknown keys; derive it from harness.Config")


def check_settings_are_frozen(cls: type[Config]) -> None:
    """Check that settings cannot change after validation: they are part of keys and records."""
    expect(cls.model_config.get("frozen"), f"{cls.__name__} is not frozen; derive it from harness.Config")


def check_fields_are_described(cls: type[Config]) -> None:
    """Check that each setting has a description, from which the documentation is made."""
    bare = [name for name, field in cls.model_fields.items() if not field.description]
    expect(not bare, f"{cls.__name__}: no description for {', '.join(bare)}; write Field(…, description=…)")


def check_smoke_settings_are_valid(component: Component) -> None:
    """Check that each setting which `--smoke` replaces is a field, with a value that the field takes."""
    fields = component.config.model_fields
    for key in component.smoke:
        head = key.split(".")[0]
        expect(head in fields, f"{component.name}: smoke sets {key!r}, which {component.config.__name__} has not")
    if any(field.is_required() for field in fields.values()):
        return
    try:  # all at once, as a smoke run sets them: some depend on others
        component.config.model_validate({key: value for key, value in component.smoke.items() if key in fields})
    except pydantic.ValidationError as error:
        raise AssertionError(f"{component.name}: smoke is refused by {component.config.__name__}: {error}") from error


def check_travels_to_workers(component: Component) -> None:
    """Check that the component's functions can be pickled: jobs carry them to other processes."""
    for each in dataclasses.fields(component):
        value = getattr(component, each.name)
        if isinstance(value, FunctionType) and {"<lambda>", "<locals>"} & set(value.__qualname__.split(".")):
            raise AssertionError(
                f"{component.title}: {each.name} is {value.__qualname__}, which no worker can be sent; "
                "define it at the top of a module"
            )


def check_name_and_summary(component: Component) -> None:
    """Check that the name can be typed into a board, and that the summary fits one line of a listing."""
    name = component.name
    is_plain = name and name == name.lower() and not set(name) & set(" _/:,=×")
    expect(is_plain, f"{name!r} is no component name: lower case, words joined by hyphens")
    expect(component.summary and "\n" not in component.summary, f"{name}: the summary is one line, not empty")


def check_target_loads(component: Component) -> None:
    """Check that `build` names something that can be imported and called."""
    try:
        target = component.load()
    except PluginFault as error:
        raise AssertionError(str(error)) from error
    expect(callable(target), f"{component.name}: {component.build} cannot be called")


def check_capabilities_exist(component: Component, names: Iterable[str], field: str) -> None:
    """Check that a component names capabilities that exist: no model could provide, and no method could use, any other."""
    unknown = sorted(set(names) - set(PROTOCOLS))
    known = ", ".join(sorted(PROTOCOLS))
    expect(not unknown, f"{component.name}: {field} names no capability with {', '.join(unknown)}; there are {known}")


def check_top_module_is_light(module: str, heavy: Sequence[str] = HEAVY) -> None:
    """Check that listing a plugin, and reading a board that names it, import no heavy package.

    A fresh interpreter imports the plugin's top module, and the modules of the targets `check`, `check_ready`, `files` and
    `spec` of all its components.
    """
    code = LISTING.format(module=module, heavy=set(heavy))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    expect(run.returncode == 0, f"importing {module} fails:\n{run.stderr}")
    loaded = run.stdout.strip()
    expect(not loaded, f"importing {module} imports {loaded}; move what needs it into the module that `build` names")
