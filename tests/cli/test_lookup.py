"""What the words after `harness show` mean."""

from importlib.metadata import EntryPoint

import pytest

from harness import UserError
from harness.cli import lookup
from harness.cli.lookup import find_component, find_preset
from harness.plugins import Registry


@pytest.mark.parametrize(
    ("words", "preset"),
    [
        (["ddpm-cifar10"], "ddpm-cifar10"),
        (["preset", "ddpm-cifar10"], "ddpm-cifar10"),
        (["presets", "ddpm-cifar10"], "ddpm-cifar10"),
        (["model", "ddpm-cifar10"], "ddpm-cifar10"),  # boards name presets where they name weights of a model
        (["model", "ddpm-unet"], None),
        (["model", "nothing"], None),
        (["ddo"], None),
        (["nothing"], None),
        (["method", "ddpm-cifar10"], None),
        (["a", "b", "c"], None),
    ],
)
def test_a_preset_is_named_alone_or_behind_preset_or_model(words, preset):
    found = find_preset(words)
    assert (None if found is None else found.name) == preset


def test_an_unknown_preset_is_told_the_nearest():
    with pytest.raises(UserError, match=r"show: no preset is called 'ddpm-cifa10'; did you mean 'ddpm-cifar10'\?"):
        find_preset(["preset", "ddpm-cifa10"])


@pytest.mark.parametrize("words", [["ddo"], ["method", "ddo"], ["methods", "ddo"]])
def test_a_component_is_named_alone_or_behind_its_kind(words):
    assert find_component(words).component.title == "method ddo"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ddoo"], "show: no record, component or preset is called 'ddoo'; did you mean 'ddo'?"),
        (["method", "ddoo"], "show: no method is called 'ddoo'; did you mean 'ddo'?"),
        (["methd", "ddo"], "show: no kind of component is called 'methd'; did you mean 'method'?"),
        (["a", "b", "c"], "show: give a record's path, or a kind and a name, e.g. `harness show method ddo`"),
        (["model", "ddpm-cifa10"], "show: no model or preset is called 'ddpm-cifa10'; did you mean 'ddpm-cifar10'? models: "),
    ],
)
def test_words_that_name_nothing_are_told_the_nearest(words, message):
    with pytest.raises(UserError) as caught:
        find_component(words)
    assert message in str(caught.value)


@pytest.fixture
def installed(monkeypatch):
    """Replaces what is installed by the given modules."""

    def install(**modules):
        registry = Registry([EntryPoint(name, module, "harness") for name, module in modules.items()])
        monkeypatch.setattr(lookup, "registry", lambda: registry)
        return registry

    return install


def test_a_name_of_several_kinds_asks_for_the_kind(installed, monkeypatch):
    registry = installed(fake="harness_fake")
    monkeypatch.setattr(registry, "names", lambda kind: ["both"] if kind in ("method", "sampler") else [])
    with pytest.raises(UserError, match="show: 'both' is several things; write `method both` or `sampler both`"):
        find_component(["both"])


def test_an_unknown_model_names_plugins_that_are_broken(installed):
    # The model may be in a plugin that could not be imported.
    installed(fake="harness_fake", gone="harness_gone")
    with pytest.raises(UserError, match=r"models: chain, net; 0 presets: .*; plugin 'gone' is broken: .*harness_gone"):
        find_component(["model", "edm"])
