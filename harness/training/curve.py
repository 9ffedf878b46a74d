"""The curve: a metric measured along training, and the choice of the best weights by it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from torch import Tensor

from harness.training.method import Weights


class CurveState(TypedDict):
    """The state of a curve in a checkpoint, without the best weights.

    Args:
        evaluations: absent in checkpoints of older versions.
    """

    values: list[dict[str, float]]
    seconds: float
    best_images: int
    evaluations: NotRequired[int]


Place = Mapping[str, int]
"""Where a point of a curve is: `images` seen, and `round` and `candidate`, from 1, where the training has several."""


def is_point(step: int, steps: int, points: int) -> bool:
    """Return whether a point of the curve belongs at a step, out of `points` evenly spaced ones and the one at the start."""
    # Point i belongs at the step i * steps / points, rounded. The only point that can belong at `step` is the one with
    # i = step * points / steps, rounded. Integer arithmetic makes both exact.
    index = (step * points + steps // 2) // steps if steps else 0
    return (index * steps + points // 2) // points == step


@dataclass
class Curve:
    """Values of a metric at points along training.

    Args:
        measure: returns the metric's value for some weights. Its seeds are not those of the final evaluation.
        points: number of points, evenly spaced over the steps; one more is at the start.
        points_in_round: how many points each round of several has, in the place of its share; None for the share.
        higher_is_better: direction of the metric.
        keeps_best: whether the best weights are kept.
        values: the points so far, the place and the metric's `value` of each, which is finite.
        seconds: time that measuring took, over all resumes.
        evaluations: examples that went through networks in measuring, over all resumes; the owner of the curve counts them.
        best: weights of the best point so far, of the first one where several are equal; empty unless `keeps_best`.
        best_images: images seen at the best point.
        best_raw: the network's own weights at the best point; empty unless they were given to `add`.
    """

    measure: Callable[[Weights], float]
    points: int
    higher_is_better: bool
    keeps_best: bool
    values: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    best: dict[str, Tensor] = field(default_factory=dict)
    best_images: int = 0
    best_raw: dict[str, Tensor] = field(default_factory=dict)
    evaluations: int = 0
    points_in_round: int | None = None

    def is_due(self, step: int, steps: int, place: Place, *, points: int | None = None) -> bool:
        """Return whether a point must be measured at this step and has not been measured yet.

        Args:
            step: steps so far, of the `steps` over which the points are spread.
            points: how many points are spread over them; by default the curve's number.
        """
        if self.values and all(self.values[-1].get(key) == number for key, number in place.items()):
            return False
        return is_point(step, steps, self.points if points is None else points)

    def add(self, place: Place, weights: Weights, raw: Weights | None = None) -> float:
        """Measure weights, and add the point. Returns: the metric's value; one that is not finite makes no point.

        Args:
            raw: the network's own weights, to be kept in `best_raw` where the point is the best.
        """
        started = time.perf_counter()
        value = self.measure(weights)
        if math.isfinite(value):  # NaN would be below no value, and an infinite one above all
            self._keep(value, place, weights, raw)
        self.seconds += time.perf_counter() - started
        return value

    def _keep(self, value: float, place: Place, weights: Weights, raw: Weights | None) -> None:
        """Add a point, and keep its weights where it is the best so far."""
        earlier = [point["value"] for point in self.values]
        is_best = not earlier or (value > max(earlier) if self.higher_is_better else value < min(earlier))
        self.values.append({**place, "value": value})
        if self.keeps_best and is_best:
            self.best = {name: tensor.clone() for name, tensor in weights.items()}
            self.best_raw = {name: tensor.clone() for name, tensor in (raw or {}).items()}
            self.best_images = place["images"]

    def state(self) -> CurveState:
        """Return what a checkpoint must hold, beside `best` and `best_raw`."""
        return {
            "values": list(self.values),
            "seconds": self.seconds,
            "best_images": self.best_images,
            "evaluations": self.evaluations,
        }

    def restore(self, state: CurveState, best: Weights, best_raw: Weights | None = None) -> None:
        """Go on from a checkpoint."""
        self.values = list(state["values"])
        self.seconds = state["seconds"]
        self.best_images = state["best_images"]
        self.evaluations = state.get("evaluations", 0)
        self.best, self.best_raw = dict(best), dict(best_raw or {})
