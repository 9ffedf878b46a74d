"""Scores of a board's floors: each metric between independent draws of real data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.board.columns import Floor
from harness.report.collect import Collection
from harness.report.scores import Score, score_of
from harness.store.records import FloorRecord


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
    """Return the values of each floor that rows can be tested against, by the floor's name.

    A floor of which nobody says how many examples its draws share is none: with a wrong share, a test would err more often than
    it says.
    """
    draws: dict[str, FloorDraws] = {}
    for floor in collection.board.floors:
        record = collection.floors.get(floor.name)
        if record is not None and record.values and (held_out := held_out_examples(floor, record)) is not None:
            shared = floor.samples / held_out if held_out else 0.0
            draws[floor.name] = FloorDraws(record.values, shared, floor.column.is_one_sided)
    return draws


def held_out_examples(floor: Floor, record: FloorRecord) -> int | None:
    """Return the number of held-out examples that all draws of a floor are taken from; 0 where each draw has its own.

    Returns: None where nobody says it: the record is of an older version, and the dataset does not declare the number.
    """
    if record.held_out is not None:
        return record.held_out
    if record.dataset_fingerprint is not None:  # such records say the number where there is one
        return 0
    return floor.dataset.component.known_held_out(floor.dataset.settings)


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
