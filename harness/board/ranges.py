"""Ranges of metrics: a share above 1 or a negative distance is a fault of the metric, or of a file that was changed."""

from __future__ import annotations

import math

from harness.components import Metric
from harness.errors import UserError

ROUNDING = 1e-6
"""How far a value may leave its range, times the bound's size where that is above 1: estimators round, by far less than this."""


def value_fault(metric: Metric, value: float) -> str | None:
    """Return why a metric cannot have this value, as the end of a sentence; None when it can."""
    if not math.isfinite(value):
        return f"is {value}"
    if metric.lowest is not None and value < metric.lowest - _slack(metric.lowest):
        return f"is {value:.6g}, and the lowest value of {metric.name} is {metric.lowest:g}"
    if metric.highest is not None and value > metric.highest + _slack(metric.highest):
        return f"is {value:.6g}, and the highest value of {metric.name} is {metric.highest:g}"
    return None


def check_value(metric: Metric, value: float, name: str) -> None:
    """Check a value that the metric gave. name: of the column or the sets, with which the message begins.

    Raises: UserError for a value that the metric cannot have, by its own word.
    """
    if (fault := value_fault(metric, value)) is not None:
        raise UserError(f"{name} {fault}: either the metric is wrong, or the range that its plugin declares")


def _slack(bound: float) -> float:
    return ROUNDING * max(1.0, abs(bound))
