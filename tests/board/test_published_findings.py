"""Sentences of the published boards that no claim can check are true of the published records."""

from pathlib import Path

import pytest

import harness.results
from harness.board.reading.load import load_board

BOARDS = Path(__file__).parents[2] / "leaderboards"


@pytest.mark.parametrize(
    ("name", "sentence", "base", "method", "seeds", "kept", "of"),
    [
        (
            "digits",
            "selection keeps the base's weights for three of eight seeds",
            "ddpm",
            "mle-matched-ddpm",
            range(10, 18),
            3,
            8,
        ),
        ("digits", "keeps the base's weights on five of eight seeds", "edm-chain", "sft-pg", range(10, 18), 5, 8),
        ("digits-search", "keeps the base's weights on one seed at four of five constant rates", "edm", "mle", [200], 4, 5),
        ("digits-search", "on one seed selection keeps the base's weights at all six rates", "ddpm", "sft-pg", [200], 6, 6),
    ],
)
def test_selection_keeps_the_base_as_often_as_the_page_says(name, sentence, base, method, seeds, kept, of):
    assert sentence in " ".join(load_board(BOARDS / name).config.findings.split())
    table = harness.results.read(BOARDS / name).drop_duplicates("cell")
    in_question = (table.base == base) & (table.method.str.partition("[")[0] == method) & table.seed.isin(seeds)
    selected = table[in_question].selected_images
    assert len(selected) == of
    assert (selected == 0).sum() == kept
