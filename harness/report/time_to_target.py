"""How long each method trains until its curve reaches a value: in images, network evaluations and seconds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.board.columns import Column
from harness.board.ranges import value_fault
from harness.errors import UserError
from harness.report.best_points import best_at_each
from harness.report.collect import Collection
from harness.report.costs import training_cost
from harness.report.outcome import Outcome


@dataclass(frozen=True)
class Reached:
    """The first point of a seed's curve that is as good as the target.

    Args:
        images: training images seen at that point; of a training that tries several settings in each round, those of all of them.
        before: the same at the point before it, where the target was not reached; 0 for the first point.
        cost: forward passes of one example up to there, a pass with gradients counting three; None where the record does not say.
        seconds: of training up to there.
    """

    images: int
    before: int
    cost: float | None
    seconds: float


@dataclass(frozen=True)
class TimeToTarget:
    """A row and what it took each of its seeds that ended.

    Args:
        seeds: None stands for a seed that did not reach the target, or diverged.
        missing: how many seeds of the row have no result, and are in no median.
    """

    base: str
    method: str
    base_label: str
    method_label: str
    seeds: tuple[Reached | None, ...]
    missing: int = 0

    @property
    def reached(self) -> int:
        """The number of seeds that reached the target."""
        return sum(each is not None for each in self.seeds)

    def median(self, amounts: Sequence[float | None]) -> float | None:
        """Return the median over all seeds, of amounts of those that reached the target.

        A seed that did not reach it took longer than any other.
        Returns: None where half of the seeds or more did not reach it, where no seed has a result, and where an amount is not
            known.
        """
        if not self.seeds or any(amount is None for amount in amounts):
            return None
        known = [float(amount) for amount in amounts if amount is not None]
        middle = statistics.median([*known, *([math.inf] * (len(self.seeds) - self.reached))])
        return middle if math.isfinite(middle) else None


def curve_column(collection: Collection) -> Column:
    """Return the column that the board's curve measures. Raises: UserError for a board without a curve."""
    config = collection.board.config.curve
    if config is None:
        raise UserError(f"{collection.board.name}: the board measures no curve along training (curve: in board.yaml)")
    return next(column for column in collection.board.columns if column.name == config.metric)


def times_to_target(collection: Collection, target: float) -> list[TimeToTarget]:
    """Return what it took each row that trains to reach the target. Rows whose records hold no curve are left out.

    Cost and seconds up to a point are the whole training's in proportion to its images: records do not hold them by point. Of a
    training that tries several settings in each round, a point has its share of the images and of the cost of all of them.

    Args:
        target: a value of the curve's column, in the metric's own unit.
    Raises: UserError for a board without a curve, and for a value that the metric cannot have.
    """
    column = curve_column(collection)
    if (fault := value_fault(column.metric.component, target)) is not None:
        raise UserError(f"{collection.board.name}: the target {fault}; give a value that {column.name} can have")
    higher_is_better = column.higher_is_better
    times = []
    for row, cells in collection.trainings:
        ended = [outcome for outcome in collection.outcomes(cells) if outcome.status in ("done", "diverged")]
        has_curve = any(outcome.curve or outcome.status == "diverged" for outcome in ended)
        missing = sum(cell.skip_reason is None for cell in cells) - len(ended)
        if row.trains and (has_curve or (missing and not ended)):
            images = row.training.images
            seeds = tuple(_reached(outcome, target, images, higher_is_better=higher_is_better) for outcome in ended)
            times.append(TimeToTarget(row.base.name, row.method_name, row.base.label, row.method_label, seeds, missing))
    return times


def _reached(outcome: Outcome, target: float, path: int, *, higher_is_better: bool) -> Reached | None:
    """Return the first point that reaches the target. path: images of one way from the start to the end of training."""
    before = 0
    points = best_at_each(outcome.curve, higher_is_better=higher_is_better) if outcome.status == "done" else []
    for images, value in sorted(points):
        if value >= target if higher_is_better else value <= target:
            share, cost, seen = images / path, training_cost(outcome), outcome.images_seen
            cost_here, seconds = None if cost is None else cost * share, outcome.seconds_finetune * share
            return Reached(round(images * seen / path), round(before * seen / path), cost_here, seconds)
        before = images
    return None


def resolution(collection: Collection) -> int:
    """Return the largest distance in images between two points of any curve: targets are known to no less than that."""
    gaps = [
        after - before
        for outcome in collection.records.values()
        for points in [sorted({images for images, _ in outcome.curve})]
        for before, after in pairwise(points)
    ]
    return max(gaps, default=0)
