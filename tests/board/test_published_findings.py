"""Sentences of the published boards that no claim can check are true of the published records."""

from itertools import combinations
from pathlib import Path

import pytest

from harness.board.reading.load import load_board
from harness.report.claim_family import ClaimFamily
from harness.report.collect import collect_published
from harness.report.differences import difference
from harness.report.table import Table
from harness.statistics.student import LEVEL

BOARDS = Path(__file__).parents[2] / "leaderboards"
SENTENCE = "no two rows of one base are told apart"


@pytest.mark.parametrize("name", ["digits"])
def test_no_two_rows_of_one_base_are_told_apart_by_an_adjusted_p(name):
    board = load_board(BOARDS / name)
    assert SENTENCE in board.config.findings
    table = Table.from_collection(collect_published(board))
    family = ClaimFamily.of_table(table)
    pairs = [(one, other) for one, other in combinations(table.rows, 2) if one.base == other.base]
    smallest = min(difference(*pair, column).p for pair in pairs for column in table.ranking_columns)
    assert family.adjusted(smallest) > LEVEL
