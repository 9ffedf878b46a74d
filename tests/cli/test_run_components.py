"""The executor and the trackers of a run: names, settings, packages."""

from importlib.metadata import EntryPoint

import pytest

from harness import plugins
from harness.cli import run_components as module
from harness.cli.run_components import TRACK, run_components
from harness.errors import Faults, UserError
from harness.measure import named_components
from harness.plugins import Registry
from harness_wandb.settings import WandbConfig

PLUGINS = {"local": "harness_local", "track_files": "harness_track_files", "wandb": "harness_wandb"}


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    found = Registry([EntryPoint(name, package, "harness") for name, package in PLUGINS.items()])
    monkeypatch.setattr(plugins, "registry", lambda: found)
    monkeypatch.setattr(named_components, "registry", lambda: found)
    monkeypatch.delenv(TRACK, raising=False)


def names(trackers):
    return [tracker.name for tracker in trackers]


def test_nothing_is_tracked_unless_it_is_asked_for():
    executor, trackers = run_components(None, None, [])
    assert (executor.name, trackers) == ("local", ())


def test_names_come_from_the_option_or_the_variable(monkeypatch):
    assert names(run_components(None, "csv,jsonl,csv", [])[1]) == ["csv", "jsonl"]
    monkeypatch.setenv(TRACK, "jsonl")
    assert names(run_components(None, None, [])[1]) == ["jsonl"]
    assert names(run_components(None, "csv", [])[1]) == ["csv"]
    assert names(run_components(None, "", [])[1]) == []


def test_an_unknown_tracker_is_told_the_nearest_and_where_it_was_named(monkeypatch):
    with pytest.raises(UserError, match=r"--track: no tracker is called 'jsnl'; did you mean 'jsonl'\?"):
        run_components(None, "jsnl", [])
    monkeypatch.setenv(TRACK, "jsnl")
    with pytest.raises(UserError, match="HARNESS_TRACK: no tracker is called 'jsnl'"):
        run_components(None, None, [])


def test_settings_of_a_tracker_stand_in_set(monkeypatch):
    monkeypatch.setattr("harness.component.require", lambda *_, **__: None)
    _, (wandb,) = run_components(None, "wandb", ["wandb.mode=offline", "wandb.project=rings"])
    assert wandb.settings == WandbConfig(mode="offline", project="rings")
    with pytest.raises(Faults, match="projct"):
        run_components(None, "wandb", ["wandb.mode=offline", "wandb.projct=rings"])


def test_settings_of_a_tracker_that_is_not_used_are_a_fault():
    expected = r"--set wandb: neither the executor, which is local, nor a tracker of this run \(csv\)"
    with pytest.raises(UserError, match=expected):
        run_components(None, "csv", ["wandb.mode=offline"])


def test_a_tracker_whose_package_is_absent_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("harness.targets.find_spec", lambda _: None)
    with pytest.raises(
        UserError, match=r'tracker wandb: needs wandb, which is not installed; pip install "finetune-harness\[wandb\]"'
    ):
        run_components(None, "wandb", [])


def test_the_variable_is_the_one_of_the_documentation():
    assert module.TRACK == "HARNESS_TRACK"
