"""`harness list`: what is installed by kind, the boards here, and what is broken."""

import json
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from harness import hookimpl, plugins
from harness.plugins import Registry


@pytest.fixture
def installed(monkeypatch):
    """Replaces what is installed by fake components and a plugin that does not exist."""
    registry = Registry([EntryPoint("fake", "harness_fake", "harness"), EntryPoint("gone", "harness_gone", "harness")])
    monkeypatch.setattr(plugins, "registry", lambda: registry)


def test_a_kind_may_be_singular_or_plural(shell):
    assert shell("list", "method").stdout == shell("list", "methods").stdout != shell("list", "models").stdout


def test_a_table_has_a_row_for_each_component(shell, installed):
    assert shell("list", "methods").stdout.splitlines()[:5] == [
        "methods:",
        "name  plugin  version  capabilities      summary",
        "fit   fake    1/1      needs Trains",
        "none  fake    1/1",
        "tune  fake    1/1      needs Likelihood",
    ]


def test_plugins_that_listen_are_listed_with_what_they_hear(shell, monkeypatch):
    module = ModuleType("fake_ears")
    vars(module).update(harness_step_logged=hookimpl(lambda cell: cell), harness_cell_finished=hookimpl(lambda cell: cell))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    registry = Registry([EntryPoint("ears", module.__name__, "harness")])
    monkeypatch.setattr(plugins, "registry", lambda: registry)
    assert shell("list", "listeners").stdout.split() == ["listeners:", "plugin", "hears", "ears", "step_logged,", "cell_finished"]
    assert json.loads(shell("list", "listeners", "--json").stdout)["listeners"] == [
        {"plugin": "ears", "hears": "step_logged, cell_finished"}
    ]


def test_capabilities_of_models_are_what_they_provide(shell, installed):
    assert "provides Likelihood, Trains" in shell("list", "models").stdout


def test_a_kind_of_which_nothing_is_installed_says_none(shell, installed):
    assert shell("list", "extractors").stdout.splitlines()[0] == "extractors: none"


def test_a_broken_plugin_is_listed_with_the_reason(shell, installed):
    text = shell("list", "methods").stdout
    assert "broken plugins:" in text
    assert "No module named 'harness_gone'" in text
    (broken,) = json.loads(shell("list", "--json").stdout)["broken"]
    assert (broken["plugin"], broken["target"]) == ("gone", "harness_gone")


def test_plugins_that_the_user_left_out_are_named(shell, monkeypatch):
    from importlib.metadata import EntryPoint

    from harness import plugins

    monkeypatch.setenv("HARNESS_DISABLE_PLUGINS", "gone")
    registry = plugins.Registry([EntryPoint("gone", "harness_gone", "harness")])
    monkeypatch.setattr(plugins, "registry", lambda: registry)
    assert shell("list", "methods").stdout.splitlines()[-1] == "left out by HARNESS_DISABLE_PLUGINS: gone"
    assert json.loads(shell("list", "--json").stdout)["disabled"] == ["gone"]


def test_json_holds_every_kind(shell):
    content = json.loads(shell("list", "--json").stdout)
    assert list(content) == [
        "models", "methods", "metrics", "extractors", "datasets", "samplers", "executors", "trackers", "listeners", "presets",
        "references", "boards", "broken", "disabled",
    ]  # fmt: skip
    assert "ddo" in [row["name"] for row in content["methods"]]
    assert content["broken"] == []


def test_boards_are_those_below_leaderboards_by_title_and_broken_ones_say_so(shell):
    for name, text in (("bad", "title: [1"), ("list", "- 1"), ("untitled", "dataset: digits")):
        shell.folder.with_name(name).mkdir()
        (shell.folder.with_name(name) / "board.yaml").write_text(text)
    rows = json.loads(shell("list", "boards", "--json").stdout)["boards"]
    titles = {row["name"]: row["title"] for row in rows}
    assert titles.pop("bad").startswith("broken: leaderboards/bad/board.yaml:")
    assert titles == {"list": "", "small": "Small", "untitled": ""}
    assert rows[2]["path"] == "leaderboards/small"


def test_presets_are_listed_with_their_size_and_files(shell):
    rows = {row["name"]: row for row in json.loads(shell("list", "presets", "--json").stdout)["presets"]}
    assert rows["ddpm-cifar10"] == {
        "name": "ddpm-cifar10", "model": "ddpm-unet", "data": "3×32×32", "classes": "0", "parameters": "35,746,307",
        "files": "ddpm-cifar10-32-diffusion_pytorch_model.bin",
    }  # fmt: skip
    assert rows["ddpm-tiny-8"]["files"] == "none published"


def test_an_unknown_kind_is_told_the_nearest(shell):
    done = shell("list", "modles")
    assert (done.returncode, done.stdout) == (2, "")
    assert "list: no kind is called 'modles'; did you mean 'models'?" in done.stderr
