"""The checks of any component find each broken promise, and say what to do."""

import dataclasses
import os

import pydantic
import pytest
from pydantic import Field

from harness.components import Sampler
from harness.config import Config
from harness.testing import configs


class Tidy(Config):
    steps: int = Field(8, ge=1, description="number of steps")
    order: int = Field(2, ge=1, le=3, description="order of the solver")

    @pydantic.model_validator(mode="after")
    def _enough(self):
        if self.order > self.steps:
            raise ValueError("an order needs as many steps")
        return self


class Loose(pydantic.BaseModel):
    steps: int = Field(8, description="number of steps")


class Bare(Config):
    steps: int = Field(8, description="number of steps")
    order: int = 2
    rho: float = 7.0


class Demanding(Config):
    steps: int = Field(description="number of steps, which every board must say")


class RefusesItself(Config):
    """Refuses an unknown key for another reason than that it is unknown."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _always(cls, _value):
        raise ValueError("no")


@pytest.fixture
def tidy(target):
    return Sampler("tidy-one", build=target(lambda config: config), summary="a sampler", config=Tidy, smoke={"steps": 2})


def test_a_tidy_component_passes(tidy):
    configs.check_component(tidy)


def test_a_function_that_no_worker_can_be_sent_is_found(tidy, failure):
    message = failure(configs.check_travels_to_workers, dataclasses.replace(tidy, shrink=lambda _: {}))
    assert (
        "shrink is test_a_function_that_no_worker_can_be_sent_is_found.<locals>.<lambda>, which no worker can be sent" in message
    )
    configs.check_travels_to_workers(tidy)


def test_settings_that_take_unknown_keys_are_found(failure):
    configs.check_unknown_keys_are_rejected(Tidy)
    assert failure(configs.check_unknown_keys_are_rejected, Loose) == "Loose takes unknown keys; derive it from harness.Config"
    assert "does not name an unknown key as the fault" in failure(configs.check_unknown_keys_are_rejected, RefusesItself)


def test_a_required_setting_does_not_hide_the_unknown_key():
    configs.check_unknown_keys_are_rejected(Demanding)


def test_settings_that_can_change_are_found(failure):
    configs.check_settings_are_frozen(Tidy)
    assert failure(configs.check_settings_are_frozen, Loose) == "Loose is not frozen; derive it from harness.Config"


def test_settings_without_a_description_are_named(failure):
    configs.check_fields_are_described(Tidy)
    assert failure(configs.check_fields_are_described, Bare).startswith("Bare: no description for order, rho; write Field(")


@pytest.mark.parametrize(("smoke", "message"), [
    ({"stops": 2}, "tidy-one: smoke sets 'stops', which Tidy has not"),
    ({"steps": 0}, "tidy-one: smoke is refused by Tidy"),
    ({"steps": 1}, "an order needs as many steps"),  # each setting alone is fine; together they are not
])  # fmt: skip
def test_smoke_settings_that_no_smoke_run_could_use_are_found(tidy, failure, smoke, message):
    broken = dataclasses.replace(tidy, smoke=smoke)
    assert message in failure(configs.check_smoke_settings_are_valid, broken)


def test_smoke_settings_beside_a_required_one_are_tried_by_name_only(tidy, failure):
    configs.check_smoke_settings_are_valid(dataclasses.replace(tidy, config=Demanding, smoke={"steps": 1}))
    broken = dataclasses.replace(tidy, config=Demanding, smoke={"stops": 1})
    assert "Demanding has not" in failure(configs.check_smoke_settings_are_valid, broken)


@pytest.mark.parametrize("name", ["", "Tidy", "two words", "a_b", "a/b", "a:b", "a,b", "a=b"])
def test_a_name_that_no_board_could_hold_is_found(tidy, failure, name):
    assert failure(configs.check_name_and_summary, dataclasses.replace(tidy, name=name)).startswith(f"{name!r} is no component")


@pytest.mark.parametrize("summary", ["", "two\nlines"])
def test_a_summary_is_one_line(tidy, failure, summary):
    message = failure(configs.check_name_and_summary, dataclasses.replace(tidy, summary=summary))
    assert message == "tidy-one: the summary is one line, not empty"


@pytest.mark.parametrize(("build", "message"), [
    ("no_such_module:build", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
    ("math:no_such_function", "math has no 'no_such_function'"),
    ("math:pi", "math:pi cannot be called"),
])  # fmt: skip
def test_a_target_that_builds_nothing_is_found(tidy, failure, build, message):
    assert message in failure(configs.check_target_loads, dataclasses.replace(tidy, build=build))


def test_capabilities_that_do_not_exist_are_named_beside_those_that_do(tidy, failure):
    configs.check_capabilities_exist(tidy, {"Trains", "Denoises"}, "needs")
    message = failure(configs.check_capabilities_exist, tidy, {"Trains", "Flies", "Denoise"}, "needs")
    assert message.startswith("tidy-one: needs names no capability with Denoise, Flies; there are Denoises, Likelihood,")


PLUGIN = """
from harness import Dataset, hookimpl

{top}

@hookimpl
def harness_datasets():
    return [Dataset("d", build="{name}.data:Data", summary="data", {fields})]
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes a plugin package whose dataset may import sklearn in its top module or in a target."""

    def write(name, top="", fields=""):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text(PLUGIN.format(top=top, name=name, fields=fields))
        (folder / "data.py").write_text("import scipy\nclass Data: pass\n")
        (folder / "light.py").write_text("def check(config): pass\n")
        return name

    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return write


def test_what_a_listing_imports_is_found(plugin, failure):
    configs.check_top_module_is_light(plugin("light_plugin", fields="check_ready='light_plugin.light:check'"))
    heavy = plugin("heavy_plugin", top="import scipy")
    assert failure(configs.check_top_module_is_light, heavy).startswith(
        "importing heavy_plugin imports scipy; move what needs it"
    )


def test_heavy_targets_of_checks_and_plugins_that_cannot_be_imported_are_found(plugin, failure):
    heavy = plugin("heavy_check", fields="check_ready='heavy_check.data:Data'")
    assert "imports scipy" in failure(configs.check_top_module_is_light, heavy)
    broken = plugin("broken_plugin", top="import no_such_module")
    assert "No module named 'no_such_module'" in failure(configs.check_top_module_is_light, broken)
