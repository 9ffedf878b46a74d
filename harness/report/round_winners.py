"""Which settings won each round of a method that tries several (`search_each_round`): a line for each row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.board.cells import Cell, Row
from harness.board.points import point_text
from harness.report.collect import Collection
from harness.report.markup import markdown_text
from harness.report.outcome import Outcome
from harness.report.phrases import seed_ranges
from harness.training.rounds import RoundsConfig, rounds_of

NONE_BETTER = "none better than its start"


def round_winners(collection: Collection) -> Iterator[str]:
    """Yield a line in Markdown for each row whose rounds try several settings, and that has a done seed."""
    columns = {column.name: column.higher_is_better for column in collection.board.columns}
    for row, cells in collection.trainings:
        plan = rounds_of(row.method.settings)
        if len(plan.candidates) > 1 and row.curve is not None:
            higher_is_better = columns.get(row.curve.metric, False)
            by_seed = {cell.seed: _winners(outcome, higher_is_better) for cell, outcome in _done(collection, cells)}
            if by_seed:
                yield _line(row, plan, by_seed)


def _done(collection: Collection, cells: list[Cell]) -> Iterator[tuple[Cell, Outcome]]:
    for cell in cells:
        outcome = collection.records.get(cell.name)
        if outcome is not None and outcome.status == "done" and outcome.places:
            yield cell, outcome


def _winners(outcome: Outcome, higher_is_better: bool) -> dict[int, int | None]:
    """Return the winning candidate of each round, both from 1; None for a round without a point better than all before it."""
    sign = 1.0 if higher_is_better else -1.0
    winners: dict[int, int | None] = {}
    best = float("-inf")
    for (number, candidate), (images, value) in zip(outcome.places, outcome.curve, strict=True):
        winners.setdefault(number, None)
        if sign * value > best:
            best = sign * value
            if images:  # the first point is the base
                winners[number] = candidate
    return winners


def _line(row: Row, plan: RoundsConfig, by_seed: Mapping[int, Mapping[int, int | None]]) -> str:
    rounds = dict.fromkeys(number for winners in by_seed.values() for number in winners)
    texts = [f"round {number}: {_round_text(plan, number, by_seed)}" for number in rounds]
    return (
        f"**{markdown_text(row.method_label)}** on {markdown_text(row.base.label)} tried {len(plan.candidates)} settings in each "
        f"round; won: {'; '.join(texts)}."
    )


def _round_text(plan: RoundsConfig, number: int, by_seed: Mapping[int, Mapping[int, int | None]]) -> str:
    """Return which settings won a round, and on which seeds."""
    seeds: dict[int | None, list[int]] = {}
    for seed, winners in by_seed.items():
        if number in winners:
            seeds.setdefault(winners[number], []).append(seed)
    names = {
        candidate: NONE_BETTER if candidate is None else markdown_text(point_text(dict(plan.candidates[candidate - 1])))
        for candidate in seeds
    }
    if len(by_seed) == 1:
        return ", ".join(names.values())
    return ", ".join(
        f"{names[candidate]} (seed{'s' if len(found) > 1 else ''} {seed_ranges(found)})" for candidate, found in seeds.items()
    )
