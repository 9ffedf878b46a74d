"""Rounds that try several settings: the page says which of them won, on which seeds."""

from dataclasses import replace

from board_fixtures import fake_record
from pydantic import Field

from harness.report.collect import Collection
from harness.report.outcome import outcome_of_record
from harness.report.page import method_notes
from harness.report.round_winners import round_winners
from harness.store.records import CurvePoint
from harness.training.rounds import ByRound, RoundsConfig


class Plan(RoundsConfig):
    BY_ROUND = frozenset({"beta"})
    beta: ByRound[float] = Field(1.0, description="a setting by round")


PLAN = Plan(rounds=2, reference="best", search_each_round={"beta": (0.1, 0.5)})
CURVES = {
    0: [(1, 1, 0, 5.0), (1, 1, 320, 4.0), (1, 2, 320, 3.0), (2, 1, 640, 2.0), (2, 2, 640, 2.5)],
    1: [(1, 1, 0, 5.0), (1, 1, 320, 4.5), (1, 2, 320, 3.5), (2, 1, 640, 4.0), (2, 2, 640, 3.5)],
    2: [(1, 1, 0, 5.0), (1, 1, 320, 2.0), (1, 2, 320, 3.0), (2, 1, 640, 1.5), (2, 2, 640, 1.5)],
}
"""By seed: round, candidate, images and value of each point. A tie is won by the first."""


def collection_of(board, seeds, plan=PLAN):
    """The records of one row, whose method has these settings."""
    found = [cell for cell in board.cells if cell.row.name == "chain/tune"]
    row = replace(found[0].row, method=replace(found[0].row.method, settings=plan))
    cells = tuple(replace(cell, row=row) for cell in found)
    records = {}
    for cell in cells:
        if cell.seed in seeds:
            points = [CurvePoint(round=r, candidate=c, images=i, value=v) for r, c, i, v in CURVES[cell.seed]]
            records[cell.name] = outcome_of_record(fake_record(cell, curve=points))
    return Collection(replace(board, cells=cells), records, {}, ())


def test_a_line_names_the_winner_of_each_round_and_its_seeds(board):
    assert list(round_winners(collection_of(board, (0, 1, 2)))) == [
        "**tune** on Chain tried 2 settings in each round; won: round 1: beta 0.5 (seeds 0, 1), beta 0.1 (seed 2); round 2: "
        "beta 0.1 (seeds 0, 2), none better than its start (seed 1)."
    ]


def test_one_seed_is_not_named(board):
    (line,) = round_winners(collection_of(board, (0,)))
    assert line.endswith("won: round 1: beta 0.5; round 2: beta 0.1.")


def test_a_row_without_a_search_or_without_a_done_seed_has_no_line(board):
    assert list(round_winners(collection_of(board, ()))) == []
    assert list(round_winners(collection_of(board, (0, 1), Plan(rounds=2, reference="best")))) == []


def test_the_line_is_among_the_notes_of_the_methods(board):
    collection = collection_of(board, (0,))
    assert method_notes(collection).splitlines()[-1] == f"- {next(round_winners(collection))}"
