"""Check whether models and methods fit the data, as far as their settings tell. No work is done, and no torch is imported."""

from __future__ import annotations

from harness.board.components import Resolved
from harness.components import Dataset, Method, MethodUsage, Model, ModelUsage, Sampler
from harness.errors import PluginFault, UserError
from harness.interfaces import DataSpec


def spec_of(dataset: Resolved[Dataset]) -> DataSpec | None:
    """Return what the dataset holds; None where only reading the data would tell."""
    return dataset.component.known_spec(dataset.settings)


def model_fault(model: Resolved[Model], spec: DataSpec | None, *, augmentation: int = 0) -> str | None:
    """Return why the model cannot be built for the data; None when it can, or when the spec of the data is not known yet.

    A smoke run checks the board's own settings, not its smaller ones: the full run would fail only after hours.

    Args:
        augmentation: as in `ModelUsage`.
    """
    if spec is None:
        return None
    try:
        model.component.check_usage(model.full or model.settings, ModelUsage(spec, augmentation))
    except UserError as error:
        return str(error)
    return None


def method_fault(method: Resolved[Method], model: Model, spec: DataSpec | None, sampler: Sampler | None = None) -> str | None:
    """Return why the method cannot run on model, data and sampler; None when it can. Capabilities are not looked at.

    Raises: PluginFault when the target of the check cannot be loaded.
    """
    if spec is None:
        return None
    try:
        method.component.check_usage(method.settings, MethodUsage(model, spec, sampler))
    except PluginFault:
        raise  # no reason to skip the cells
    except UserError as error:
        return str(error)
    return None
