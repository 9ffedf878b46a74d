"""Scores of a board's floors: each metric between independent draws of real data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.collect import Collection
from harness.report.scores import Score, score_of


@dataclass(frozen=True)
class FloorDraws:
    """The values of a floor, one for each pair of draws.

    Args:
        shared: n / N where all draws of n examples are taken from the same N held-out examples; 0 where each has its own.
        is_one_sided: whether each value depends on one held-out draw only.
    """

    values: Sequence[float]
    shared: float = 0.0
    is_one_sided: bool = False


def floor_draws(collection: Collection) -> dict[str, FloorDraws]:
    """Return the values of each floor that is measured, by the floor's name."""
    draws: dict[str, FloorDraws] = {}
    for floor in collection.board.floors:
        record = collection.floors.get(floor.name)
        if record is not None and record.values:
            shared = floor.samples / record.held_out if record.held_out else 0.0
            draws[floor.name] = FloorDraws(record.values, shared, floor.column.is_one_sided)
    return draws


def floor_scores(collection: Collection) -> dict[str, Score]:
    """Return the score over pairs of draws of each floor that is measured, by the floor's name."""
    return {name: score_of(floor.values) for name, floor in collection.floors.items() if floor.values}


def floor_minima(collection: Collection) -> dict[str, Score]:
    """Return the score of minima of each floor that is measured, by the floor's name.

    A minimum is over as many pairs as a cell has draws, so that a perfect model's minimum over draws is expected to be the same.
    Pairs that are left over when all minima are taken do not count.
    """
    scores: dict[str, Score] = {}
    for floor in collection.board.floors:
        values = collection.floors[floor.name].values if floor.name in collection.floors else []
        draws = floor.column.draws
        minima = [min(values[start : start + draws]) for start in range(0, len(values) - draws + 1, draws)]
        if minima:
            scores[floor.name] = score_of(minima)
    return scores
