"""Conformance of metrics: values are finite, repeat, are better for nearer sets, and ignore the order of rows."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from functools import partial

import numpy as np
import torch

from harness.board.metric_values import values_fault
from harness.board.ranges import value_fault
from harness.components import Metric
from harness.config import Config
from harness.features import FeatureSet
from harness.interfaces import Batch, FeatureMetricFunction, MetricFunction
from harness.streams import stream
from harness.testing.checks import Checks, run_all
from harness.testing.expect import expect

ROUNDING = 1e-6
"""Largest difference between two orders of the rows: sums are taken in another order, and no metric resolves so little."""
FEATURES, LOGITS = 3, 4
"""Dimensions of the features and logits that a metric on features is tried on."""


def check_metric(component: Metric, *, config: Config | None = None, shape: tuple[int, ...] = (2,), n: int = 64) -> None:
    """Run all checks of this module, on n standard normal examples.

    Args:
        config: settings to check with; by default the component's defaults with `smoke`.
        shape: shape of the examples, for a metric of the samples themselves. A metric on features gets features instead.
    """
    run_all(metric_checks(component, config=config, shape=shape, n=n))


def metric_checks(component: Metric, *, config: Config | None = None, shape: tuple[int, ...] = (2,), n: int = 64) -> Checks:
    """Yield the checks of `check_metric`, which has the same arguments."""
    config = config or component.config(**component.smoke)
    metric = _built(component, config)
    if component.needs_features:
        shape = (FEATURES + LOGITS,)
    real = Batch(torch.randn(n, *shape, generator=stream(0, "real")))
    generated = Batch(torch.randn(n, *shape, generator=stream(0, "generated")))
    yield partial(check_values, component, metric, generated, real)
    yield partial(check_values_repeat, metric, generated, real)
    yield partial(check_a_new_object_gives_the_same, metric, _built(component, config), generated, real)
    if component.repeats_in_any_order:
        yield partial(check_order_of_rows_does_not_matter, metric, generated, real)
    sees_real = bool(component.real_needs) or not component.needs_features
    if component.ranks and sees_real:  # without real features nothing says what is nearer
        yield partial(check_nearer_is_better, component, metric, real)


def _built(component: Metric, config: Config) -> MetricFunction:
    """Build the metric; one on features takes points whose first coordinates are the features."""
    if component.needs_features:
        return OnFeatures(component, component.create_on_features(config))
    return component.create(config)


class OnFeatures:
    """A metric on features, as a metric on points: the first coordinates of a point are its features, the others its logits.

    Each set has exactly the features that the component says it needs, so that a metric which asks for more fails.
    """

    def __init__(self, component: Metric, metric: FeatureMetricFunction) -> None:
        self.component, self.metric = component, metric

    def __call__(self, generated: Batch, real: Batch, generator: torch.Generator) -> Mapping[str, float]:
        """Return the metric's values."""
        generated_features = self._features(generated, self.component.needs_features, "generated")
        return self.metric(generated_features, self._features(real, self.component.real_needs, "real"), generator)

    def _features(self, points: Batch, needs: frozenset[str], name: str) -> FeatureSet:
        features, logits = points.x[:, :FEATURES].numpy(), points.x[:, FEATURES:].numpy()
        whole = FeatureSet.of_rows(name, features=features, logits=logits, spatial=features)
        return FeatureSet(
            name,
            len(points),
            {need: moments for need, moments in whole.moments_by_need.items() if need in needs},
            {need: rows for need, rows in whole.rows_by_need.items() if need in needs},
        )


def measure(metric: MetricFunction, generated: Batch, real: Batch) -> Mapping[str, float]:
    """Return the metric's values, with a generator that is the same at each call."""
    return metric(generated, real, stream(0, "metric"))


def numpy_randomness() -> bytes:
    """Return the whole state of NumPy's global generator. A draw of a few numbers moves only its position."""
    return pickle.dumps(np.random.get_state(legacy=False))


def check_values(component: Metric, metric: MetricFunction, generated: Batch, real: Batch) -> None:
    """Check that all values are finite floats, the first under the metric's own name and in its range."""
    values = measure(metric, generated, real)
    fault = values_fault(component, values)
    expect(fault is None, f"{component.name} {fault}")
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    expect(not bad, f"{component.name}: not finite on ordinary data: {', '.join(bad)}")
    own = next(iter(values.values()))
    expect(value_fault(component, own) is None, f"{component.name} {value_fault(component, own)}")


def check_values_repeat(metric: MetricFunction, generated: Batch, real: Batch) -> None:
    """Check that equal inputs and generators give equal values, and that inputs and global randomness stay as they were."""
    copies = generated.x.clone(), real.x.clone()
    first = measure(metric, generated, real)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12345)
        torch_state, numpy_state = torch.get_rng_state(), numpy_randomness()
        second = measure(metric, generated, real)
        expect(torch.equal(torch_state, torch.get_rng_state()), "draws from torch's global randomness")
        expect(numpy_state == numpy_randomness(), "draws from NumPy's global randomness")
    expect(dict(first) == dict(second), f"the same inputs give {dict(first)}, then {dict(second)}")
    is_untouched = torch.equal(copies[0], generated.x) and torch.equal(copies[1], real.x)
    expect(is_untouched, "the metric changes its inputs")


def check_a_new_object_gives_the_same(used: MetricFunction, new: MetricFunction, generated: Batch, real: Batch) -> None:
    """Check that a metric which has measured gives what a new one gives: no state may pass from one pair of sets to the next.

    Args:
        used: a metric that has measured these sets; it measures another pair first.
        new: the same metric, built anew.
    """
    measure(used, real, generated)
    first, second = dict(measure(new, generated, real)), dict(measure(used, generated, real))
    expect(first == second, f"a new object gives {first}, and one that has measured another pair {second}; keep no state")


def check_order_of_rows_does_not_matter(metric: MetricFunction, generated: Batch, real: Batch) -> None:
    """Check that the order of the examples does not matter, because a set has none.

    A metric that draws subsets or splits the examples declares `repeats_in_any_order=False`.
    """
    order = torch.randperm(len(generated), generator=stream(0, "order"))
    plain, mixed = measure(metric, generated, real), measure(metric, generated[order], real)
    for name, value in plain.items():
        agrees = math.isclose(value, mixed[name], rel_tol=ROUNDING, abs_tol=ROUNDING)
        expect(agrees, f"{name} is {value} and, with the rows in another order, {mixed[name]}")


def check_nearer_is_better(component: Metric, metric: MetricFunction, real: Batch) -> None:
    """Check that the real set itself is rated best, a set moved by 1 worse, and a set moved by 3 worse still."""
    name = component.name
    ratings = [measure(metric, Batch(real.x + shift), real) for shift in (0.0, 1.0, 3.0)]
    near, far, further = (values[name] for values in ratings)
    is_ordered = near > far > further if component.higher_is_better else near < far < further
    direction = "fall" if component.higher_is_better else "rise"
    expect(is_ordered, f"{name} does not {direction} as samples move away: {near} at 0, {far} at 1, {further} at 3")
