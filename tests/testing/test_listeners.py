"""The checks of listeners find each broken promise in a listener that otherwise keeps all of them."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from harness import hookimpl
from harness.plugins import LISTEN_HOOKS, Registry
from harness.testing import listeners
from harness.testing.listeners import check_listener, example_arguments, listen_hooks


@pytest.fixture
def module(monkeypatch):
    """Make a module with these hooks; those of a name that begins with an underscore are not marked."""

    def make(**hooks):
        made = ModuleType("fake_listener")
        vars(made).update({name.lstrip("_"): hook if name.startswith("_") else hookimpl(hook) for name, hook in hooks.items()})
        monkeypatch.setitem(sys.modules, made.__name__, made)
        return made

    return make


@pytest.mark.parametrize("hook", LISTEN_HOOKS)
def test_every_hook_is_tried_with_the_arguments_of_a_run(hook, tmp_path):
    arguments = example_arguments(hook, tmp_path)
    listeners.check_arguments_exist({hook: eval(f"lambda {', '.join(arguments)}: None")})
    Registry([]).listen(hook, **arguments)


def test_a_listener_that_keeps_the_rules_passes(tmp_path, monkeypatch):
    (tmp_path / "kind_listener.py").write_text(
        "from harness import hookimpl\n"
        "@hookimpl\n"
        "def harness_cell_finished(cell, record, runs): assert (cell.name, record.status) == ('net/fit/s0', 'diverged')\n"
        "@hookimpl\n"
        "def harness_step_logged(board, values, config): assert config['seed'] == 0 and values['loss']\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(filter(None, sys.path))}")
    check_listener("kind_listener")


def test_a_hook_without_the_mark_or_with_other_arguments_is_found(module, failure):
    message = failure(listen_hooks, module(_harness_cell_finished=lambda cell: cell))
    assert message == "harness_cell_finished: not marked; write @harness.hookimpl above it"
    message = failure(listeners.check_arguments_exist, listen_hooks(module(harness_step_logged=lambda cell, loss: (cell, loss))))
    assert message.startswith("harness_step_logged has no argument loss; there are board, cell, step")


def raises(values):
    return values["no such scalar"]


def draws(step):
    torch.rand(())


def draws_by_numpy(step):
    np.random.rand()


def turns_gradients_off(step):
    torch.set_grad_enabled(False)


@pytest.mark.parametrize(("hook", "message"), [
    (raises, "harness_step_logged raises KeyError: 'no such scalar'"),
    (lambda values: values.update(loss=0.0), "harness_step_logged raises AttributeError"),
    (draws, "harness_step_logged changes global randomness, the gradient mode or the default dtype"),
    (draws_by_numpy, "harness_step_logged changes global randomness"),
    (turns_gradients_off, "harness_step_logged changes global randomness"),
])  # fmt: skip
def test_hooks_that_fail_or_change_the_process_are_found(failure, hook, message):
    try:
        found = failure(listeners.check_calls_raise_nothing_and_change_nothing, {"harness_step_logged": hook})
    finally:
        torch.set_grad_enabled(True)
    assert found.startswith(message)
