"""Claims in findings name rows and columns that the board has."""

import pytest
from board_faults import fault, faults_of
from board_fixtures import BOARD, DATA_BOARD, SAMPLER_BOARD

from harness.board.reading.load import load_board


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ("{{better net/tuna than net/fit in distance}}", "no row of this board is called 'net/tuna'; did you mean 'net/tune'?"),
        ("{{value net/fit in distances}}", "no column of this board is called 'distances'; did you mean 'distance'?"),
        ("{{greater net/fit in distance}}", "{{greater net/fit in distance}} begins with none of: value, difference,"),
    ],
)
def test_a_claim_on_what_the_board_does_not_have_is_a_fault(write_board, fake_plugins, claim, message):
    found = fault(write_board, fake_plugins, "title: Rings\n", f"title: Rings\nfindings: '{claim}'\n")
    assert found.startswith(f"board.yaml:2: {message}")


@pytest.mark.parametrize(
    ("findings", "lines"),
    [
        ("findings: |\n  - {{value net/fit in distance}}\n  - Text.\n  - {{value net/fit in distance\n  - {best} }}\n", [4, 5]),
        ("findings: >\n  One {{value net/fit in\n  distance}}\n  {{value net/fut in distance}}\n", [4]),
        ("findings: 'One {{value net/fit in\n\n  distance}} {{greater net/fit}}\n\n  and {{'\n", [3, 5]),
        ('findings: "\\x7b{value net/fit in distance"\n', [1]),
    ],
)
def test_a_fault_of_a_claim_has_the_line_of_the_claim(write_board, fake_plugins, findings, lines):
    found = faults_of(write_board(findings + BOARD), fake_plugins)
    assert [fault.partition("board.yaml:")[2].partition(":")[0] for fault in found] == [str(line) for line in lines]


def test_a_board_says_on_which_line_each_claim_stands(write_board, fake_plugins):
    text = "findings: |\n  {{value net/fit in distance}} {{value net/fit\n  in likeness}}\n\n  {{value net/none in distance}}\n"
    assert load_board(write_board(text + BOARD), plugins=fake_plugins).claim_lines == (2, 2, 5)


def test_rows_that_only_leaves_out_are_not_there(write_board, fake_plugins):
    text = BOARD.replace("  tune:\n", "  tune: {only: base=chain}\n")
    found = fault(write_board, fake_plugins, BOARD, text + "findings: '{{value net/tune in distance}}'\n")
    assert "no row of this board is called 'net/tune'" in found


@pytest.mark.parametrize("smoke", [False, True])
def test_rows_of_every_number_of_samples_are_there_on_a_smoke_board_too(write_board, fake_plugins, smoke):
    text = DATA_BOARD + "findings: '{{value good/none/n200 in distance}} {{value good/none/n100 in distance}}'\n"
    assert load_board(write_board(text), plugins=fake_plugins, smoke=smoke).cells


@pytest.mark.parametrize(
    ("claim", "fault"),
    [
        ("better good/none/n200 than bad/none/n100 in distance", "compares rows of different numbers of samples"),
        ("no-difference bad/none/n100 to bad/none/n100 in distance", "compares a row with itself"),
        ("at-floor bad/none/n100 in likeness", "needs a column that ranks, and likeness has ranks: false"),
    ],
)
def test_a_claim_that_no_test_is_for_is_a_fault(write_board, fake_plugins, claim, fault):
    (found,) = faults_of(write_board(DATA_BOARD + f"findings: '{{{{{claim}}}}}'\n"), fake_plugins)
    assert f"{{{{{claim}}}}} {fault}" in found


def test_figures_of_a_column_that_does_not_rank_may_stand_in_findings(write_board, fake_plugins):
    text = DATA_BOARD + "findings: '{{value good/none/n200 in likeness}}'\n"
    assert load_board(write_board(text), plugins=fake_plugins).cells


def test_claims_name_rows_with_their_sampler(write_board, fake_plugins):
    text = SAMPLER_BOARD + "findings: '{{better net/fit/push-2 than net/fit/plain in distance}}'\n"
    assert load_board(write_board(text), plugins=fake_plugins).cells
    found = faults_of(write_board(text.replace("net/fit/plain", "net/fit")), fake_plugins)
    assert "no row of this board is called 'net/fit'" in found[0]
