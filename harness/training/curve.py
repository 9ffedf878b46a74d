"""Measurements along training, and the choice of the best weights by them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

Weights = Mapping[str, Tensor]


@dataclass
class Curve:
    """Points along training.

    Args:
        measure: the metric's value of some weights, on selection seeds.
        points: how many, evenly spaced; one more at the start.
        higher_is_better: direction of the metric.
        keeps_best: whether to remember the best weights.
    """

    measure: Callable[[Weights], float]
    points: int
    higher_is_better: bool
    keeps_best: bool
    values: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    best: dict[str, Tensor] = field(default_factory=dict)
    best_images: int = 0

    def is_due(self, step: int, steps: int, images: int) -> bool:
        """True at the steps of the points, unless the point is there already."""
        if self.values and self.values[-1]["images"] == images:
            return False
        # Step k is the point i = k * points / steps, rounded; exact integer arithmetic.
        index = (step * self.points + steps // 2) // steps if steps else 0
        return (index * steps + self.points // 2) // self.points == step

    def add(self, images: int, weights: Weights) -> float:
        """Measure a point."""
        started = time.perf_counter()
        value = self.measure(weights)
        before = [point["value"] for point in self.values]
        is_best = not before or (value > max(before) if self.higher_is_better else value < min(before))
        self.values.append({"images": images, "value": value})
        if self.keeps_best and is_best:
            self.best = {name: tensor.clone() for name, tensor in weights.items()}
            self.best_images = images
        self.seconds += time.perf_counter() - started
        return value

    def state(self) -> dict[str, object]:
        """For the checkpoint, without the tensors."""
        return {"values": list(self.values), "seconds": self.seconds, "best_images": self.best_images}

    def restore(self, state: Mapping[str, object], best: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        self.values = list(state["values"])  # type: ignore[call-overload]
        self.seconds = float(state["seconds"])  # type: ignore[arg-type]
        self.best_images = int(state["best_images"])  # type: ignore[call-overload]
        self.best = dict(best)
