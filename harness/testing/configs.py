"""Conformance of any component: its settings, its target, and the weight of its plugin's top module."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pydantic

from harness.components import Component
from harness.config import Config
from harness.testing.expect import expect

# Seconds each to import; a listing that pays for them is one that people stop using.
HEAVY = ("torch", "sklearn", "ot", "torchvision", "scipy", "matplotlib")


def check_component(component: Component) -> None:
    """The checks of this module that need no import of the heavy part, and that the target is there."""
    check_unknown_keys_are_rejected(component.config)
    check_settings_are_frozen(component.config)
    check_fields_are_described(component.config)
    check_smoke_settings_are_valid(component)
    check_name_and_summary(component)
    check_target_loads(component)


def check_unknown_keys_are_rejected(cls: type[Config]) -> None:
    """A typo in a board must not be taken in silence."""
    try:
        cls.model_validate({"no_such_setting": 1})
    except pydantic.ValidationError as error:
        kinds = {fault["type"] for fault in error.errors() if fault["loc"] == ("no_such_setting",)}
        expect(kinds == {"extra_forbidden"}, f"{cls.__name__} does not name an unknown key as the fault: {error}")
    else:
        raise AssertionError(f"{cls.__name__} takes unknown keys; derive it from harness.Config")


def check_settings_are_frozen(cls: type[Config]) -> None:
    """Settings are part of keys and records; they must not change after validation."""
    expect(cls.model_config.get("frozen"), f"{cls.__name__} is not frozen; derive it from harness.Config")


def check_fields_are_described(cls: type[Config]) -> None:
    """The documentation is made from the descriptions."""
    bare = [name for name, field in cls.model_fields.items() if not field.description]
    expect(not bare, f"{cls.__name__}: no description for {', '.join(bare)}")


def check_smoke_settings_are_valid(component: Component) -> None:
    """`--smoke` replaces settings by these: each must be a field, with a value that its type takes."""
    fields = component.config.model_fields
    for key in component.smoke:
        head = key.split(".")[0]
        expect(head in fields, f"{component.name}: smoke sets {key!r}, which {component.config.__name__} has not")
    if all(not field.is_required() for field in fields.values()):
        # Together, as a smoke run sets them: some hang on others.
        component.config.model_validate({key: value for key, value in component.smoke.items() if key in fields})


def check_name_and_summary(component: Component) -> None:
    """Names are typed into boards and shown in tables."""
    name = component.name
    plain = name and name == name.lower() and not set(name) & set(" _/:,=×")
    expect(plain, f"{name!r} is no component name: lower case, words joined by hyphens")
    expect(component.summary and "\n" not in component.summary, f"{name}: the summary is one line, not empty")


def check_target_loads(component: Component) -> None:
    """`build` names something that can be called."""
    expect(callable(component.load()), f"{component.name}: {component.build} cannot be called")


def check_top_module_is_light(module: str, heavy: Sequence[str] = HEAVY) -> None:
    """Importing a plugin's top module, as listing does, must not import the heavy part. Runs a fresh interpreter."""
    code = f"import sys, {module}; print(*sorted(set({tuple(heavy)!r}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    expect(run.returncode == 0, f"importing {module} fails:\n{run.stderr}")
    loaded = run.stdout.strip()
    expect(not loaded, f"importing {module} imports {loaded}; move what needs it behind the lazy target")
