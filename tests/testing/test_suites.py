"""Every kind of what is installed has a suite, and a suite tries a component where it will be used."""

from importlib.metadata import EntryPoint

import pytest

from harness.components import KINDS, Method, Model
from harness.plugins import Registry, registry
from harness.testing.reports import Subject
from harness.testing.suites import SUITES, WrongSettings, subjects, suite


def test_every_kind_of_component_has_a_suite():
    assert SUITES.keys() == KINDS.keys()


def test_everything_that_is_installed_is_a_subject_once():
    installed = registry()
    found = subjects(installed)
    assert len({subject.title for subject in found}) == len(found)
    assert {subject.name for subject in found if subject.kind == "method"} == set(installed.names("method"))
    assert {subject.name for subject in found if subject.kind == "plugin"} == set(installed.plugins)
    assert {subject.name for subject in found if subject.kind == "preset"} == set(installed.presets)


def test_a_plugin_that_listens_is_a_subject_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "fake_ears.py").write_text(
        "from harness import hookimpl\n\n@hookimpl\ndef harness_table_rendered(path):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = subjects(Registry([EntryPoint("ears", "fake_ears", "harness")]))
    assert found == [Subject("plugin", "ears", "ears"), Subject("listener", "ears", "ears")]


def test_a_method_is_tried_on_every_model_that_has_what_it_needs():
    cases = suite(Subject("method", "cca", "cca"))
    needs = registry().get(Method, "cca", where="test").needs
    models = [registry().get(Model, name, where="test") for name in registry().names("model")]
    assert {case.on.removeprefix("on ") for case in cases if case.on} == {
        model.name for model in models if needs <= model.provides
    }


def test_what_has_no_settings_refuses_them():
    with pytest.raises(WrongSettings, match="plugin:ddo has no settings"):
        list(suite(Subject("plugin", "ddo", "ddo"), {"beta": 1}))


def test_a_setting_out_of_range_is_named_with_its_component():
    with pytest.raises(WrongSettings, match=r"--set ddo\.beta: must be"):
        list(suite(Subject("method", "ddo", "ddo"), {"beta": -1}))
