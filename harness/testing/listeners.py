"""Conformance of listeners: each hook can be called as a run calls it, raises nothing, and changes no number."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType, ModuleType
from typing import TypeVar

import torch

from harness import hookspecs
from harness.board.bases import Base, Pretrained
from harness.board.cells import Cell, Row
from harness.board.components import Resolved
from harness.board.schema import EvaluationConfig
from harness.components import Component, Dataset, Method, Model, Sampler
from harness.config import NoConfig
from harness.plugins import LISTEN_HOOKS
from harness.stages import record
from harness.testing.checks import Checks, run_all
from harness.testing.configs import check_top_module_is_light
from harness.testing.expect import expect
from harness.testing.metrics import numpy_randomness
from harness.training.config import TrainingConfig

C = TypeVar("C", bound=Component)


def check_listener(module: str) -> None:
    """Run all checks of this module, and that of the weight of the plugin's top module.

    Each hook is called twice, with the arguments of a run. The listener must find what it needs, such as its environment
    variables, or do nothing without.

    Args:
        module: the plugin's top module, which its entry point names.
    """
    run_all(listener_checks(module))


def listener_checks(module: str) -> Checks:
    """Yield the checks of `check_listener`, which has the same argument."""
    yield partial(check_top_module_is_light, module)
    hooks = listen_hooks(import_module(module))
    expect(hooks, f"{module} has no listen hook: {', '.join(LISTEN_HOOKS)}")
    yield partial(check_arguments_exist, hooks)
    yield partial(check_calls_raise_nothing_and_change_nothing, hooks)


def listen_hooks(module: ModuleType) -> dict[str, Callable[..., object]]:
    """Return the listen hooks of a module by name. Raises: AssertionError for one without the mark, which is never called."""
    hooks = {name: getattr(module, name) for name in LISTEN_HOOKS if callable(getattr(module, name, None))}
    unmarked = [name for name, hook in hooks.items() if not hasattr(hook, f"{hookspecs.GROUP}_impl")]
    expect(not unmarked, f"{', '.join(unmarked)}: not marked; write @harness.hookimpl above it")
    return hooks


def check_arguments_exist(hooks: Mapping[str, Callable[..., object]]) -> None:
    """Check that each hook takes arguments that there are; it leaves out those that it does not want."""
    for name, hook in hooks.items():
        known = inspect.signature(getattr(hookspecs, name)).parameters
        unknown = [argument for argument in inspect.signature(hook).parameters if argument not in known]
        expect(not unknown, f"{name} has no argument {', '.join(unknown)}; there are {', '.join(known)}")


def check_calls_raise_nothing_and_change_nothing(hooks: Mapping[str, Callable[..., object]]) -> None:
    """Check that a hook raises nothing, twice, and leaves global randomness, the gradient mode and the default dtype alone."""
    with TemporaryDirectory() as folder:
        for name, hook in hooks.items():
            arguments = example_arguments(name, Path(folder))
            before = _global_state()
            for _ in range(2):
                try:
                    hook(**{argument: arguments[argument] for argument in inspect.signature(hook).parameters})
                except Exception as error:  # a plugin may raise anything
                    raise AssertionError(f"{name} raises {type(error).__name__}: {error}") from error
            expect(before == _global_state(), f"{name} changes global randomness, the gradient mode or the default dtype")


def _global_state() -> tuple[object, ...]:
    return torch.get_rng_state().numpy().tobytes(), numpy_randomness(), torch.is_grad_enabled(), torch.get_default_dtype()


def example_arguments(hook: str, runs: Path) -> dict[str, object]:
    """Return arguments as a run gives them to a hook. runs: an empty folder in the place of the runs folder."""
    cell = example_cell()
    config = MappingProxyType({"method": cell.method.identity, "training": cell.training.identity, "seed": cell.seed})
    training = {"board": cell.board, "cell": cell.name, "step": 100, "runs": runs, "config": config}
    of_hook: dict[str, dict[str, object]] = {
        "harness_run_started": {"board": cell.board, "cells": (cell,), "runs": runs},
        "harness_step_logged": {**training, "steps": 800, "values": MappingProxyType({"loss": 0.5, "accuracy": 0.75})},
        "harness_checkpoint_written": {**training, "folder": runs},
        "harness_cell_finished": {"cell": cell, "record": record.unmeasured(cell, "diverged", "loss is nan"), "runs": runs},
        "harness_table_rendered": {"board": cell.board, "path": runs / "README.md"},
    }
    return of_hook[hook]


def example_cell() -> Cell:
    """Return a cell as runs know it, `net/fit/s0`, of a board and components that nobody can build."""
    sampler = _resolved(Sampler("draw", build="example:draw", summary="example"))
    model = _resolved(Model("net", build="example:net", summary="example", provides=frozenset(), sampler="draw"))
    dataset = _resolved(Dataset("points", build="example:points", summary="example"))
    method = _resolved(Method("fit", build="example:fit", summary="example"))
    training = TrainingConfig(images=51_200, batch=64)
    base = Base("net", "net", dataset, Pretrained(model, sampler, method, training, 0))
    row = Row("example", 1, base, "fit", "fit", method, training, EvaluationConfig(samples=1000), (), None)
    return Cell(row, 0)


def _resolved(component: C) -> Resolved[C]:
    return Resolved(component, NoConfig(), "example", "1/1")
