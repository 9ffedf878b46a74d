"""Check of the values that a metric gives, before they enter a record: floats by name, the metric's own first."""

from __future__ import annotations

from collections.abc import Mapping

from harness.components import Metric
from harness.errors import PluginFault


def checked_values(metric: Metric, values: object) -> dict[str, float]:
    """Return the values as plain floats, in their order. Raises: PluginFault when they are no values of the metric."""
    if fault := values_fault(metric, values):
        raise PluginFault(f"{metric.title} ({metric.build}): {fault}")
    assert isinstance(values, Mapping), "values_fault has looked"
    return {name: float(value) for name, value in values.items()}


def values_fault(metric: Metric, values: object) -> str | None:
    """Return what the metric gave and what it must give, as one line; None when nothing is wrong.

    NumPy's float64 is a float. Other NumPy scalars and tensors are not: only the metric knows what they stand for.
    """
    must = f"it must give floats by name, its own first: {{{metric.name!r}: float(…)}}"
    if not isinstance(values, Mapping):
        return f"gave {'None' if values is None else f'a {type(values).__name__}'}; {must}"
    if not values:
        return f"gave no value; {must}"
    if any(not isinstance(name, str) for name in values):
        return f"gave values under names that are no text; {must}"
    if next(iter(values)) != metric.name:
        return f"gave {', '.join(map(repr, values))}; {must}"
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, float | int):
            return f"gave a {type(value).__name__} as {name!r}; {must}"
    return None
