import json
from io import StringIO

import pandas as pd
import pytest

from harness.report.collect import collect_published
from harness.report.formats import as_json, csv, latex, markdown
from harness.report.markup import latex_text
from harness.report.number_text import count, power_of_ten
from harness.report.scores import Score, score_of
from harness.report.table import Table


def table_of(board):
    return Table.from_collection(collect_published(board))


def row_of(table, base, method):
    return next(row for row in table.rows if (row.base, row.method) == (base, method))


def test_a_score_is_the_mean_and_the_sample_standard_deviation():
    assert score_of([1.0, 2.0, 3.0, 6.0]) == Score(3.0, pytest.approx((14 / 3) ** 0.5), 4)  # by hand: 4 + 1 + 0 + 9
    assert score_of([2.0]) == Score(2.0, None, 1)


def test_a_seed_counts_once_with_the_mean_of_its_draws(board, publish_records):
    publish_records(board)
    found = row_of(table_of(board), "net", "none").scores["distance"]
    assert (found.mean, found.sd, found.n) == (pytest.approx(0.051), pytest.approx(0.001), 3)


def test_the_best_mean_is_bold_in_the_direction_of_the_metric(board, publish_records):
    publish_records(board)
    table = table_of(board)
    assert row_of(table, "net", "tune").is_best == {"distance"}  # lower is better
    assert row_of(table, "net", "none").is_best == row_of(table, "chain", "none").is_best == {"likeness"}  # equal means


def test_a_row_with_a_diverged_seed_is_never_bold(board, publish_records, make_record):
    tuned = [cell for cell in board.cells if cell.row.name == "net/tune"]
    publish_records(board)
    publish_records(board, tuned[:1], status="diverged", metrics={})
    row = row_of(table_of(board), "net", "tune")
    assert not row.is_best
    assert row.notes == ("diverged 1/3",)
    assert row.scores["distance"].n == 2


def test_a_mean_within_two_deviations_of_the_floor_is_marked(board, publish_records):
    # The floor is 0.012 ± 0.0016: at most 0.0152 cannot be told from it.
    publish_records(board)
    lowest = [cell for cell in board.cells if cell.row.name == "net/tune"]
    publish_records(board, lowest, metrics={"distance": {"values": [0.0152]}})
    table = table_of(board)
    assert "distance" in row_of(table, "net", "tune").at_floor
    assert "distance" not in row_of(table, "net", "fit").at_floor
    # Where higher is better, a value above the floor is at it too.
    assert "likeness" in row_of(table, "net", "none").at_floor


def test_what_did_not_run_is_said_in_the_status(board, publish_records):
    cells = [cell for cell in board.cells if cell.seed == 0 and cell.base.name == "net"]
    publish_records(board, cells)
    table = table_of(board)
    assert row_of(table, "net", "fit").notes == ("not run 2/3",)
    assert row_of(table, "chain", "fit").notes == ("not run",)
    assert row_of(table, "chain", "tune").notes == ("skipped: chain lacks Likelihood, which tune needs",)


def test_markdown_shows_units_arrows_and_the_floor_first(board, publish_records):
    publish_records(board)
    lines = markdown(table_of(board)).splitlines()
    assert "distance ↓ (×1e-2)" in lines[0]
    assert "likeness ↑" in lines[0]
    assert "| Floor" in lines[2]
    assert "1.20 ± 0.16" in lines[2]
    assert "5.10 ± 0.10" in lines[3]
    assert "0.051 ± 0.001" in lines[3]


def test_csv_and_json_hold_the_unrounded_numbers(board, publish_records):
    publish_records(board)
    table = table_of(board)
    frame = pd.read_csv(StringIO(csv(table)))
    assert frame["distance mean"][1] == pytest.approx(0.051, rel=1e-12)
    content = json.loads(as_json(table))
    assert content["floor"]["distance n"] == 4
    assert content["metrics"] == {"distance": "lower is better", "likeness": "higher is better"}
    assert [row["status"] for row in content["rows"]][-1].startswith("skipped")


def test_latex_has_rules_signs_and_escapes(board, publish_records):
    publish_records(board)
    text = latex(table_of(board))
    assert text.startswith(r"\begin{tabular}{ll")
    assert r"\toprule" in text
    assert r"5.10 $\pm$ 0.10" in text
    assert r"(\times" not in text
    assert r"($\times 10^{-2}$)" in text
    assert latex_text("a_b & 50%") == r"a\_b \& 50\%"


def test_an_empty_board_still_has_a_table(board):
    lines = markdown(table_of(board)).splitlines()
    assert len(lines) == 2 + 1 + 6
    assert all("not run" in line or "skipped" in line for line in lines[2:])


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (35, "35"), (2344, "2344"), (50_178, "50.2k"), (300_032, "300k"), (2_560_000, "2.6M"), (1.5, "1.5")],
)
def test_counts_are_short(number, text):
    assert count(number) == text


def test_powers_of_ten_are_known_from_other_factors():
    assert power_of_ten(1e-2) == -2
    assert power_of_ten(0.05) is None
