"""Where a board's settings come from, where a search chose them, and what the search cost: a line for each such method."""

from __future__ import annotations

from collections.abc import Iterator

from harness.board.board import Board
from harness.board.chosen_file import Chosen
from harness.board.points import point_text
from harness.report.markup import markdown_text
from harness.report.number_text import count, seconds
from harness.report.phrases import seed_ranges

MEASURED = {
    "curve": "the curve's value of the weights that a training ended with",
    "evaluation": "the value on the evaluation draws of these seeds",
}
"""What the value of a trial is, by `StudyFacts.measured`."""


def searched(board: Board) -> Iterator[str]:
    """Yield a line in Markdown for each method that takes its settings from a search."""
    yield from map(_line, board.chosen)


def _line(chosen: Chosen) -> str:
    study = chosen.study
    trials = "one trial" if study.trials == 1 else f"{study.trials:,} trials"
    if study.points < study.trials:
        trials += f" at {study.points:,} {'point' if study.points == 1 else 'different points'}"
    rank = "one of" if study.kept_base else "the best of"
    seeds = ("seed " if len(study.seeds) == 1 else "seeds ") + seed_ranges(sorted(study.seeds))
    sentences = [
        f"**{markdown_text(chosen.label)}**: {markdown_text(point_text(study.settings))}, {rank} {trials} of a search on "
        f"{markdown_text(chosen.base)} ([{chosen.file}]({chosen.file}), study `{study.study}`).",
        f"By {markdown_text(study.metric)}, {study.value:.4g}: {MEASURED[study.measured]}, the mean over {seeds}.",
        _cost(chosen),
        *(f"{markdown_text(doubt[:1].upper() + doubt[1:])}." for doubt in study.doubts),
        *(f"{markdown_text(remark)}." for remark in chosen.remarks),
    ]
    return " ".join(sentences)


def _cost(chosen: Chosen) -> str:
    cost = chosen.study.cost
    base = ""
    if cost.pretraining_images:
        base = f", and a base of its own {count(cost.pretraining_images)} and {seconds(cost.pretraining_seconds)} s"
    return (
        f"The search cost {count(cost.images)} training images, {count(cost.network_evaluations)} network evaluations and "
        f"{seconds(cost.seconds)} s{base}."
    )
