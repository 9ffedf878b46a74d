"""Conformance of metrics: finite, the same for the same sets, better for nearer ones, blind to the order of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch

from harness.components import Metric
from harness.config import Config
from harness.features import FeatureSet
from harness.interfaces import Batch, FeatureMetricFunction, MetricFunction
from harness.streams import stream
from harness.testing.expect import expect

# Sums in another order; far below what a metric can resolve.
ROUNDING = 1e-6


def check_metric(component: Metric, *, config: Config | None = None, shape: tuple[int, ...] = (2,), n: int = 64) -> None:
    """All checks of this module, on n standard normal examples of this shape; of a metric on features, on such features."""
    metric = build(component, config or component.config(**component.smoke))
    if component.needs_features:
        metric = OnFeatures(component, cast(FeatureMetricFunction, metric))
        shape = (FEATURES + LOGITS,)
    real = Batch(torch.randn(n, *shape, generator=stream(0, "real")))
    generated = Batch(torch.randn(n, *shape, generator=stream(0, "generated")))
    check_values(component, metric, generated, real)
    check_values_repeat(metric, generated, real)
    if component.repeats_in_any_order:
        check_order_of_rows_does_not_matter(metric, generated, real)
    if component.real_needs:  # else nothing says what is nearer
        check_nearer_is_better(component, metric, real)


FEATURES, LOGITS = 3, 4


class OnFeatures:
    """A metric on features as one on points whose first coordinates are its features, the others logits.

    Each set has what the component says it needs of it, and nothing more: a metric that asks for more fails.
    """

    def __init__(self, component: Metric, metric: FeatureMetricFunction) -> None:
        self.component, self.metric = component, metric

    def __call__(self, generated: Batch, real: Batch, generator: torch.Generator) -> Mapping[str, float]:
        """The metric's values."""
        first = self._features(generated, self.component.needs_features, "generated")
        return self.metric(first, self._features(real, self.component.real_needs, "real"), generator)

    def _features(self, points: Batch, needs: frozenset[str], name: str) -> FeatureSet:
        features, logits = points.x[:, :FEATURES].numpy(), points.x[:, FEATURES:].numpy()
        whole = FeatureSet.of_rows(name, features=features, logits=logits, spatial=features)
        return FeatureSet(
            name,
            len(points),
            {need: moments for need, moments in whole.moments_by_need.items() if need in needs},
            {need: rows for need, rows in whole.rows_by_need.items() if need in needs},
        )


def build(component: Metric, config: Config) -> MetricFunction:
    """The metric's function."""
    function = component.load()(config)
    expect(isinstance(function, MetricFunction), f"{component.build} gave {function!r}, which cannot be called")
    return cast(MetricFunction, function)


def measure(metric: MetricFunction, generated: Batch, real: Batch) -> Mapping[str, float]:
    """The values, with a generator that is the same at each call."""
    return metric(generated, real, stream(0, "metric"))


def check_values(component: Metric, metric: MetricFunction, generated: Batch, real: Batch) -> None:
    """Finite numbers; a single one goes by the metric's own name."""
    values = measure(metric, generated, real)
    expect(values, f"{component.name} gave no value")
    expect(len(values) > 1 or component.name in values, f"{component.name} calls its value {', '.join(values)}")
    bad = [name for name, value in values.items() if not isinstance(value, float) or not math.isfinite(value)]
    expect(not bad, f"{component.name}: not a finite float on ordinary data: {', '.join(bad)}")


def check_values_repeat(metric: MetricFunction, generated: Batch, real: Batch) -> None:
    """The same inputs and generator give the same values; inputs and global randomness stay as they were."""
    copies = generated.x.clone(), real.x.clone()
    first = measure(metric, generated, real)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12345)
        states = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
        second = measure(metric, generated, real)
        expect(torch.equal(states[0], torch.get_rng_state()), "draws from torch's global randomness")
        expect((states[1] == np.random.get_state()[1]).all(), "draws from NumPy's global randomness")  # type: ignore[index]
    expect(dict(first) == dict(second), f"the same inputs give {dict(first)}, then {dict(second)}")
    untouched = torch.equal(copies[0], generated.x) and torch.equal(copies[1], real.x)
    expect(untouched, "the metric changes its inputs")


def check_order_of_rows_does_not_matter(metric: MetricFunction, generated: Batch, real: Batch) -> None:
    """Sets have no order. (For a metric that draws subsets, call the other checks of this module one by one.)"""
    order = torch.randperm(len(generated), generator=stream(0, "order"))
    plain, mixed = measure(metric, generated, real), measure(metric, generated[order], real)
    for name, value in plain.items():
        same = math.isclose(value, mixed[name], rel_tol=ROUNDING, abs_tol=ROUNDING)
        expect(same, f"{name} is {value} and, with the rows in another order, {mixed[name]}")


def check_nearer_is_better(component: Metric, metric: MetricFunction, real: Batch) -> None:
    """The real set itself is rated best, one moved by 1 worse, one moved by 3 worse still."""
    name = component.name
    rated = [measure(metric, Batch(real.x + shift), real) for shift in (0.0, 1.0, 3.0)]
    if name not in rated[0]:
        return  # several values by other names: which of them go up is not declared
    near, far, further = (values[name] for values in rated)
    ordered = near > far > further if component.higher_is_better else near < far < further
    direction = "fall" if component.higher_is_better else "rise"
    expect(ordered, f"{name} does not {direction} as samples move away: {near} at 0, {far} at 1, {further} at 3")
