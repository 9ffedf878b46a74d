"""The checks of metrics find each broken promise in a metric that otherwise keeps all of them."""

import dataclasses

import numpy as np
import pytest
import torch

from harness.components import Metric
from harness.interfaces import Batch
from harness.streams import stream
from harness.testing import metrics
from harness.testing.metrics import check_metric


def distance(generated, real, generator):
    """The distance of the means, whose value is a plain float."""
    return {"distance": float((generated.x.mean(0) - real.x.mean(0)).norm())}


def feature_distance(generated, real, generator):
    """The distance of the features' means."""
    return {"distance": float(np.linalg.norm(generated.moments().mean - real.moments().mean))}


def logit_count(generated, real, generator):
    """A metric that reads rows it did not declare."""
    return {"distance": float(len(generated.rows("logits")))}


MUST = "it must give floats by name, its own first: {'distance': float(…)}"


@pytest.fixture
def component(target):
    return Metric("distance", build=target(lambda _: distance), summary="distance of means")


@pytest.fixture
def sets():
    return tuple(Batch(torch.randn(16, 2, generator=stream(0, name))) for name in ("generated", "real"))


def test_a_metric_that_keeps_the_rules_passes(component, target):
    check_metric(component)
    check_metric(component, shape=(1, 4, 4))
    on_features = dataclasses.replace(component, build=target(lambda _: feature_distance), needs_features=frozenset({"moments"}))
    check_metric(on_features)


def test_a_metric_gets_only_the_features_that_it_declares(component, target):
    greedy = dataclasses.replace(component, build=target(lambda _: logit_count), needs_features=frozenset({"moments"}))
    with pytest.raises(Exception, match="generated: gives no logits"):
        check_metric(greedy)
    check_metric(dataclasses.replace(greedy, needs_features=frozenset({"moments", "logits"}), needs_reference=frozenset()))


@pytest.mark.parametrize(("values", "message"), [
    ({}, f"distance gave no value; {MUST}"),
    (None, f"distance gave None; {MUST}"),
    (1.0, f"distance gave a float; {MUST}"),
    ({"length": 1.0}, f"distance gave 'length'; {MUST}"),
    ({"spread": 1.0, "distance": 1.0}, f"distance gave 'spread', 'distance'; {MUST}"),
    ({"distance": float("nan")}, "distance: not finite on ordinary data: distance"),
    ({"distance": 1.0, "spread": float("inf")}, "distance: not finite on ordinary data: spread"),
    ({"distance": torch.tensor(1.0)}, f"distance gave a Tensor as 'distance'; {MUST}"),
    ({"distance": np.float32(1.0)}, f"distance gave a float32 as 'distance'; {MUST}"),
])  # fmt: skip
def test_values_that_no_record_could_hold_are_found(component, sets, failure, values, message):
    assert failure(metrics.check_values, component, lambda *_: values, *sets) == message


def test_values_beside_the_metrics_own_may_have_other_names(component, sets):
    metrics.check_values(component, lambda *_: {"distance": 0.5, "recall": np.float64(0.25)}, *sets)


def test_a_value_outside_of_the_declared_range_is_found(component, sets, failure):
    share = dataclasses.replace(component, lowest=0.0, highest=1.0)
    metrics.check_values(share, lambda *_: {"distance": 1.0}, *sets)
    message = failure(metrics.check_values, share, lambda *_: {"distance": 1.375}, *sets)
    assert message == "distance is 1.375, and the highest value of distance is 1"


def shuffled_by_numpy(generated, real, generator):
    np.random.rand()
    return distance(generated, real, generator)


def shuffled_by_torch(generated, real, generator):
    torch.rand(())
    return distance(generated, real, generator)


def centred_in_place(generated, real, generator):
    real.x.sub_(real.x.mean(0))
    return distance(generated, real, generator)


@pytest.mark.parametrize(("metric", "message"), [
    (shuffled_by_numpy, "draws from NumPy's global randomness"),
    (shuffled_by_torch, "draws from torch's global randomness"),
])  # fmt: skip
def test_global_randomness_is_found(sets, failure, metric, message):
    metrics.check_values_repeat(distance, *sets)
    assert failure(metrics.check_values_repeat, metric, *sets) == message


class NegatesOnce:
    """Changes the generated set at its first call, and gives the same value always."""

    def __init__(self):
        self.is_first = True

    def __call__(self, generated, real, generator):
        if self.is_first:
            generated.x.neg_()
        self.is_first = False
        return {"distance": 1.0}


def test_a_metric_that_changes_its_inputs_is_found(sets, failure):
    assert failure(metrics.check_values_repeat, NegatesOnce(), *sets) == "the metric changes its inputs"
    assert failure(metrics.check_values_repeat, centred_in_place, *sets) == "the metric changes its inputs"


def test_values_that_change_from_call_to_call_are_found(sets, failure):
    values = iter([1.0, 2.0])
    message = failure(metrics.check_values_repeat, lambda *_: {"distance": next(values)}, *sets)
    assert message == "the same inputs give {'distance': 1.0}, then {'distance': 2.0}"


class KeepsTheFirstScale:
    """Scales all distances by the first real set that it sees."""

    scale = None

    def __init__(self, config=None):
        pass

    def __call__(self, generated, real, generator):
        self.scale = self.scale or float(real.x.std())
        return {"distance": self.scale * distance(generated, real, generator)["distance"]}


def test_state_that_passes_from_one_pair_to_the_next_is_found(component, target, sets, failure):
    metrics.check_values_repeat(KeepsTheFirstScale(), *sets)
    used = KeepsTheFirstScale()
    message = failure(metrics.check_a_new_object_gives_the_same, used, KeepsTheFirstScale(), *sets)
    assert message.startswith("a new object gives {'distance': ")
    assert message.endswith("keep no state")
    metrics.check_a_new_object_gives_the_same(distance, distance, *sets)


def test_a_metric_may_draw_from_its_generator(sets):
    metrics.check_values_repeat(lambda _, __, generator: {"distance": torch.rand((), generator=generator).item()}, *sets)


def test_a_value_of_the_first_rows_alone_is_found(sets, failure):
    metrics.check_order_of_rows_does_not_matter(distance, *sets)
    first = lambda generated, real, generator: distance(generated[:4], real, generator)  # noqa: E731
    assert "and, with the rows in another order," in failure(metrics.check_order_of_rows_does_not_matter, first, *sets)


def test_a_metric_may_declare_that_order_matters(component, target, failure):
    build = target(lambda _: lambda generated, real, generator: distance(generated[:4], real[:4], generator))
    assert "in another order" in failure(check_metric, dataclasses.replace(component, build=build))
    check_metric(dataclasses.replace(component, build=build, repeats_in_any_order=False))


@pytest.mark.parametrize(("sign", "higher_is_better", "direction"), [(-1, False, "rise"), (1, True, "fall")])
def test_a_direction_that_is_not_the_declared_one_is_found(component, sets, failure, sign, higher_is_better, direction):
    metric = lambda *arguments: {"distance": sign * distance(*arguments)["distance"]}  # noqa: E731
    declared = dataclasses.replace(component, higher_is_better=higher_is_better)
    assert failure(metrics.check_nearer_is_better, declared, metric, sets[1]).startswith(
        f"distance does not {direction} as samples move away:"
    )
    metrics.check_nearer_is_better(dataclasses.replace(component, higher_is_better=not higher_is_better), metric, sets[1])


def test_a_metric_that_stops_rising_is_found(component, sets, failure):
    capped = lambda *arguments: {"distance": min(1.0, distance(*arguments)["distance"])}  # noqa: E731
    assert "at 0, 1.0 at 1, 1.0 at 3" in failure(metrics.check_nearer_is_better, component, capped, sets[1])


def test_a_metric_of_the_samples_that_rates_far_sets_better_is_told(component, target):
    backwards = dataclasses.replace(component, build=target(lambda _: lambda *sets: {"distance": -distance(*sets)["distance"]}))
    with pytest.raises(AssertionError, match="distance does not rise as samples move away"):
        check_metric(backwards)
    check_metric(dataclasses.replace(backwards, higher_is_better=True))
    check_metric(dataclasses.replace(backwards, ranks=False))
