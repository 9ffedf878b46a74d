"""Plugins are found by entry point; a broken one says why, and takes nobody with it."""

import logging
import sys
from importlib.metadata import Distribution, EntryPoint
from types import ModuleType

import pytest

from harness import Dataset, Executor, Extractor, Method, Metric, Model, Sampler, UserError, hookimpl, hookspecs
from harness.components import KINDS
from harness.plugins import LISTEN_HOOKS, Registry, registry


@pytest.fixture
def plugin(monkeypatch):
    """Makes a plugin's module with these hooks, and gives its entry point."""

    def make(name, **members):
        module = ModuleType(f"fake_{name}")
        for key, value in members.items():
            setattr(module, key, hookimpl(value) if key.startswith("harness_") else value)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return EntryPoint(name, module.__name__, "harness")

    return make


TAKEN = "rename one of the two, uninstall one plugin, or name it in HARNESS_DISABLE_PLUGINS"


def metric(name, **settings):
    return Metric(name, build="fake:build", summary="a number", **settings)


def reason(found, name):
    return next(one.reason for one in found.broken if one.plugin == name)


@pytest.mark.parametrize(
    ("hook", "component", "where"),
    [
        (
            "methods",
            Method("tune", build="fake:build", summary="", needs=frozenset({"Likelihood", "Liklihood"})),
            "method 'tune', needs",
        ),
        ("samplers", Sampler("walk", build="fake:build", summary="", needs=frozenset({"Liklihood"})), "sampler 'walk', needs"),
        (
            "models",
            Model("net", build="fake:build", summary="", sampler="walk", provides=frozenset({"Liklihood"})),
            "model 'net', provides",
        ),
    ],
)
def test_a_capability_with_a_typo_breaks_its_plugin(plugin, hook, component, where):
    found = Registry([plugin("one", **{f"harness_{hook}": lambda: [component]})])
    assert found.names(component.kind) == []
    said = f"{where}: no capability is called 'Liklihood'; did you mean 'Likelihood'? there are: Denoises, "
    assert reason(found, "one").startswith(said)


def test_components_are_found_under_their_kind_and_name(plugin):
    found = Registry([plugin("one", harness_metrics=lambda: [metric("w2"), metric("fid")])])
    assert found.names("metric") == ["fid", "w2"]
    assert found.names("dataset") == []
    assert found.get(Metric, "fid", where="board.yaml:3") == metric("fid")
    assert not found.broken


def test_a_version_names_the_plugins_and_the_components(plugin):
    found = Registry([plugin("one", __version__="7", harness_metrics=lambda: [metric("w2", version="3")])])
    assert found.provided("metric", "w2", where="x").version == "7/3"
    assert found.provided("metric", "w2", where="x").plugin == "one"


def test_a_plugin_that_does_not_import_is_listed_with_its_reason_and_the_rest_works(plugin):
    missing = EntryPoint("missing", "no_such_module_anywhere", "harness")
    found = Registry([missing, plugin("one", harness_metrics=lambda: [metric("w2")])])
    assert found.names("metric") == ["w2"]
    assert [(one.plugin, one.target) for one in found.broken] == [("missing", "no_such_module_anywhere")]
    assert reason(found, "missing") == "ModuleNotFoundError: No module named 'no_such_module_anywhere'"


def test_a_plugin_that_exits_on_import_is_broken_and_does_not_end_the_command(plugin, tmp_path, monkeypatch):
    (tmp_path / "fake_exits.py").write_text("raise SystemExit('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    exits = EntryPoint("exits", "fake_exits", "harness")
    found = Registry([exits, plugin("one", harness_metrics=lambda: [metric("w2")])])
    assert reason(found, "exits") == "it called sys.exit('no licence') while it was imported"
    assert found.names("metric") == ["w2"]


def test_a_hook_that_raises_takes_its_whole_plugin_out(plugin):
    def harness_samplers():
        raise RuntimeError("no samples today")

    half = plugin("half", harness_metrics=lambda: [metric("fid")], harness_samplers=harness_samplers)
    found = Registry([half, plugin("one", harness_metrics=lambda: [metric("w2")])])
    assert found.names("metric") == ["w2"]
    assert reason(found, "half") == "RuntimeError: no samples today"


def test_a_hook_that_is_not_in_the_contract_is_a_fault(plugin):
    found = Registry([plugin("typo", harness_metrix=lambda: [metric("w2")])])
    assert "harness_metrix" in reason(found, "typo")


def test_a_hook_without_its_mark_is_a_fault_and_not_passed_over(monkeypatch):
    module = ModuleType("fake_unmarked")
    vars(module)["harness_metrics"] = lambda: [metric("w2")]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    found = Registry([EntryPoint("unmarked", module.__name__, "harness")])
    assert found.names("metric") == []
    assert reason(found, "unmarked") == "fake_unmarked.harness_metrics is not marked; write @harness.hookimpl above it"


def no_metrics():
    return []


def test_a_hook_that_forgets_to_return_is_a_fault_and_not_an_empty_list(plugin):
    found = Registry([plugin("forgetful", harness_metrics=lambda: None), plugin("one", harness_metrics=no_metrics)])
    assert reason(found, "forgetful") == "TypeError: harness_metrics gave None; expected a list: is a return missing?"
    assert [broken.plugin for broken in found.broken] == ["forgetful"]


def test_a_hook_may_be_called_by_another_name(plugin, monkeypatch):
    module = ModuleType("fake_renamed")
    vars(module)["my_metrics"] = hookimpl(specname="harness_metrics")(lambda: [metric("w2")])
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert Registry([EntryPoint("renamed", module.__name__, "harness")]).names("metric") == ["w2"]


def test_the_default_of_a_kind_is_the_component_that_says_so(plugin):
    found = Registry([plugin("one", harness_metrics=lambda: [metric("fid", is_default=True), metric("a")])])
    assert found.default(Metric, where="--metrics").name == "fid"
    with pytest.raises(UserError, match=r"^--extractor: no installed extractor is the default; name one of: none$"):
        found.default(Extractor, where="--extractor")


def test_a_second_default_is_a_fault_of_the_later_plugin(plugin):
    def harness_metrics():
        return [metric("fid", is_default=True)]

    late = plugin("late", harness_metrics=lambda: [metric("mine", is_default=True), metric("other")])
    found = Registry([plugin("early", harness_metrics=harness_metrics), late])
    assert found.names("metric") == ["fid"]
    assert reason(found, "late") == ("metric 'mine' cannot be the default: 'fid' is, of plugin 'early'")


def test_what_comes_with_the_harness_has_a_default_for_every_command():
    names = {kind.kind: registry().default(kind, where="this test").name for kind in (Metric, Extractor, Executor)}
    assert names == {"metric": "fid", "extractor": "inception", "executor": "local"}


def test_a_component_of_the_wrong_kind_is_a_fault(plugin):
    found = Registry([plugin("mixed", harness_metrics=lambda: [Dataset("roll", build="a:b", summary="points")])])
    assert "expected harness.Metric" in reason(found, "mixed")


def test_a_name_that_is_taken_is_a_fault_of_the_later_plugin(plugin):
    found = Registry([plugin(name, harness_metrics=lambda: [metric("w2")]) for name in ("late", "early")])
    assert found.provided("metric", "w2", where="x").plugin == "early"
    assert reason(found, "late") == f"metric 'w2' is already provided by plugin 'early'; {TAKEN}"


def test_what_comes_with_the_harness_goes_before_a_plugin_of_any_name(plugin, monkeypatch):
    class Ours:
        name = "finetune-harness"
        version = "1"

    ours, other = plugin("late", harness_metrics=lambda: [metric("w2")]), plugin("early", harness_metrics=lambda: [metric("w2")])
    monkeypatch.setitem(vars(ours), "dist", Ours())
    found = Registry([other, ours])
    assert found.provided("metric", "w2", where="x").plugin == "late"
    assert reason(found, "early") == f"metric 'w2' is already provided by plugin 'late' of finetune-harness 1; {TAKEN}"


def test_two_plugins_of_one_name_leave_the_first_listening(plugin):
    heard = []
    first = plugin("same", harness_table_rendered=lambda board: heard.append(board))
    found = Registry([first, EntryPoint("same", "json", "harness")])
    found.listen("harness_table_rendered", board="toy", path=None)
    assert heard == ["toy"]
    assert [one.plugin for one in found.broken] == ["same"]


@pytest.fixture
def distribution(tmp_path):
    """Install a distribution; returns its one entry point, as importlib finds it."""

    def install(name, line, version="0.1"):
        about = tmp_path / f"{name}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (about / "entry_points.txt").write_text(f"[harness]\n{line}\n")
        (entry,) = Distribution.at(about).entry_points
        return entry

    return install


def test_two_distributions_with_one_name_of_a_plugin_are_both_named_with_what_to_do(plugin, distribution):
    for name in ("first", "second"):
        plugin(name, harness_metrics=lambda: [metric("w2")])
    entries = [distribution("shrink-fork", "shrink = fake_second", "2.0"), distribution("harness-shrink", "shrink = fake_first")]
    found = Registry(entries)
    assert found.names("metric") == ["w2"]
    assert found.provided("metric", "w2", where="x").entry.dist.name == "harness-shrink"
    (broken,) = found.broken
    assert broken.reason == (
        "two distributions provide a plugin 'shrink': harness-shrink 0.1 (used) and shrink-fork 2.0 (left out); uninstall one "
        "of them, or give one entry point another name"
    )


def test_where_the_first_of_two_distributions_is_broken_the_second_is_used(plugin, distribution):
    plugin("second", harness_metrics=lambda: [metric("w2")])
    found = Registry([distribution("a", "shrink = no_such_module_anywhere"), distribution("b", "shrink = fake_second")])
    assert found.names("metric") == ["w2"]
    assert [broken.reason for broken in found.broken] == ["ModuleNotFoundError: No module named 'no_such_module_anywhere'"]


def test_one_plugin_installed_under_two_names_says_which(plugin, distribution):
    plugin("shrink", harness_metrics=lambda: [metric("w2")])
    found = Registry([distribution("harness-shrink", "a = fake_shrink"), distribution("shrink", "b = fake_shrink")])
    assert found.names("metric") == ["w2"]
    assert reason(found, "b") == (
        "its module fake_shrink is plugin 'a' of harness-shrink 0.1 already: the plugin is installed twice, under two names; "
        "uninstall one of the two"
    )


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("bad = json:dumps", "its entry point 'json:dumps' is a function, and must be a module"),
        ("bad = harness shrink", "its entry point says 'harness shrink', which is no name of a module"),
        ("bad = json:no_such_thing", "AttributeError: module 'json' has no attribute 'no_such_thing'"),
    ],
)
def test_a_broken_entry_point_says_what_it_must_be(distribution, line, fault):
    found = Registry([distribution("bad", line)])
    assert reason(found, "bad").startswith(fault)
    assert "write NAME" in reason(found, "bad") or "AttributeError" in fault


def test_no_reason_is_a_dump_of_the_registry(plugin):
    module = plugin("same", harness_metrics=lambda: [metric("w2")])
    found = Registry([module, EntryPoint("same", "json", "harness"), EntryPoint("some", "fake_same", "harness")])
    assert all(len(broken.reason) < 300 and "\n" not in broken.reason for broken in found.broken)
    assert len(found.broken) == 2


def test_a_name_given_twice_by_one_plugin_is_a_fault(plugin):
    found = Registry([plugin("twice", harness_metrics=lambda: [metric("w2"), metric("w2")])])
    assert reason(found, "twice") == "it provides metric 'w2' twice; give one of the two another name"


def test_the_same_name_may_be_a_metric_and_a_sampler(plugin):
    sampler = Sampler("w2", build="a:b", summary="steps")
    found = Registry([plugin("one", harness_metrics=lambda: [metric("w2")], harness_samplers=lambda: [sampler])])
    assert not found.broken
    assert found.names("metric") == found.names("sampler") == ["w2"]


def test_an_unknown_name_gives_place_nearest_and_all(plugin):
    found = Registry([plugin("one", harness_metrics=lambda: [metric("w2"), metric("sliced-w2")])])
    with pytest.raises(UserError) as caught:
        found.get(Metric, "slicd-w2", where="board.yaml:14")
    assert str(caught.value) == (
        "board.yaml:14: no metric is called 'slicd-w2'; did you mean 'sliced-w2'? installed: sliced-w2, w2"
    )


def test_an_unknown_name_also_says_which_plugins_are_broken():
    found = Registry([EntryPoint("missing", "no_such_module_anywhere", "harness")])
    with pytest.raises(UserError, match="installed: none; plugin 'missing' is broken: ModuleNotFoundError"):
        found.get(Metric, "w2", where="board.yaml:14")


def test_a_listener_that_raises_is_logged_and_the_others_still_hear(plugin, caplog):
    heard = []

    def deaf(board, path):
        raise RuntimeError("cannot write there")

    def ears(board):
        heard.append(board)

    found = Registry([plugin("a", harness_table_rendered=deaf), plugin("b", harness_table_rendered=ears)])
    with caplog.at_level(logging.ERROR):
        found.listen("harness_table_rendered", board="toy", path="README.md")
    assert heard == ["toy"]
    assert "plugin a: harness_table_rendered failed; going on" in caplog.text


def test_a_listener_that_keeps_raising_is_logged_once_for_each_hook(plugin, caplog):
    def deaf(board):
        raise RuntimeError("cannot write there")

    found = Registry([plugin("a", harness_table_rendered=deaf, harness_run_started=deaf)])
    for hook in 3 * ["harness_table_rendered", "harness_run_started"]:
        found.listen(hook, board="toy")
    assert [record.getMessage().split(" failed")[0] for record in caplog.records] == [
        "plugin a: harness_table_rendered",
        "plugin a: harness_run_started",
    ]


def test_a_failure_that_another_process_has_shown_is_not_shown_again(plugin, caplog):
    def deaf(board):
        raise RuntimeError("cannot write there")

    Registry([plugin("a", harness_table_rendered=deaf)]).listen("harness_table_rendered", lambda _: False, board="toy")
    assert not caplog.records


def test_plugins_that_only_listen_are_known_with_what_they_hear(plugin):
    gives = plugin("gives", harness_metrics=lambda: [metric("w2")])
    found = Registry([plugin("ears", harness_table_rendered=lambda board: board), gives])
    assert found.listeners() == {"ears": ["harness_table_rendered"]}
    assert found.plugins == ["ears", "gives"]


def test_every_hook_is_a_hook_of_components_or_listens():
    hooks = {name for name in vars(hookspecs) if name.startswith("harness_")}
    assert hooks == {*(f"harness_{kind}s" for kind in KINDS), "harness_presets", "harness_references", *LISTEN_HOOKS}


def test_a_broken_plugin_hears_nothing(plugin):
    heard = []

    def harness_table_rendered(board):
        heard.append(board)

    broken = plugin("broken", harness_metrics=lambda: [None], harness_table_rendered=harness_table_rendered)
    Registry([broken]).listen("harness_table_rendered", board="toy", path="README.md")
    assert heard == []


def test_the_installed_registry_is_made_once():
    assert registry() is registry()
