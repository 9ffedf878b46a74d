"""Whether models and methods fit the data, as far as their settings tell: before any work, and without torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from harness.board.components import Resolved
from harness.components import Dataset, Method, Model, load_target
from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec


def spec_of(dataset: Resolved[Dataset]) -> DataSpec | None:
    """What the dataset holds; None where only reading it would tell."""
    component = dataset.component
    if component.spec is None:
        return None
    return cast(Callable[[Config], DataSpec], load_target(component.spec))(dataset.settings)


def model_fault(model: Resolved[Model], spec: DataSpec | None) -> str | None:
    """Why the model cannot be built for the data; None when it can, or when nothing is known before it is tried.

    A smoke run answers for the board's own model: what is wrong with that is better told in seconds.
    """
    component = model.component
    if component.check is None or spec is None:
        return None
    try:
        cast(Callable[[Config, DataSpec], None], load_target(component.check))(model.full or model.settings, spec)
    except UserError as error:
        return str(error)
    return None


def method_fault(method: Resolved[Method], model: Model, spec: DataSpec | None) -> str | None:
    """Why the method cannot run on the model and the data, beyond capabilities; None when it can."""
    component = method.component
    if component.check is None or spec is None:
        return None
    return cast(Callable[[Config, Model, DataSpec], str | None], load_target(component.check))(method.settings, model, spec)
