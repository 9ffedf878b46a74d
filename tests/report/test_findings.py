import pytest

from harness.report.collect import collect_published
from harness.report.findings import UNPAIRED, Findings
from harness.report.formats import MARKDOWN
from harness.report.render import render_published, render_runs
from harness.report.table import Table
from harness.store.records import Measured


@pytest.fixture
def findings_of(load, publish_records):
    """Publishes the standard board with these findings, and the values of some rows, one a seed."""

    def findings_of(text, **values_of_rows):
        board = load(("title: Rings\n", f"title: Rings\nfindings: '{text}'\n"))
        publish_records(board)
        for cell in board.cells:
            if cell.row.name.replace("/", "_") in values_of_rows:
                value = values_of_rows[cell.row.name.replace("/", "_")][cell.seed]
                metrics = {name: Measured(values=[value, value]) for name in ("distance", "likeness")}
                publish_records(board, [cell], metrics=metrics)
        return Findings(Table.from_collection(collect_published(board)))

    return findings_of


@pytest.mark.parametrize(
    ("claim", "shown"),
    [
        ("value net/none in distance", "5.10 ± 0.10"),
        ("difference net/tune to net/none in distance", "−3.33 [−3.36, −3.30], p &lt; 0.001"),
        ("better net/tune than net/none in distance", "−3.33 [−3.36, −3.30], adjusted p &lt; 0.001"),
        ("better net/none than net/tune in likeness", "0.033 [0.033, 0.034], adjusted p &lt; 0.001"),  # higher is better
        (
            "no-difference net/tune to chain/fit in distance",
            "**[not borne out by the records: −0.83 [−0.84, −0.82], p &lt; 0.001]**",
        ),
        ("no-difference net/fit to chain/fit in distance", "0.00 [0.00, 0.00], p = 1.00"),
        ("off-floor net/none in distance", "3.90 [3.64, 4.16], adjusted p &lt; 0.001"),
        ("at-floor net/none in distance", "**[not borne out by the records: 3.90 [3.64, 4.16], p &lt; 0.001]**"),
        (
            "off-floor net/none in likeness",  # better
            "**[not borne out by the records: 0.039 [0.036, 0.042], adjusted p &lt; 0.001]**",
        ),
        ("value net/none in distance and likeness", "distance: 5.10 ± 0.10; likeness: 0.051 ± 0.001"),
    ],
)
def test_a_claim_is_shown_with_its_numbers_and_says_when_the_records_do_not_bear_it_out(findings_of, claim, shown):
    findings = findings_of(f"So {{{{{claim}}}}}.")
    assert findings.text(MARKDOWN).split("\n\n")[0] == f"So {shown}."
    assert len(findings.not_borne_out) == ("not borne out" in shown)


def test_better_in_the_wrong_direction_is_not_borne_out(findings_of):
    findings = findings_of("{{better net/none than net/tune in distance}}")
    assert findings.not_borne_out == [
        "2: findings: the records do not bear out: better net/none than net/tune in distance: difference 3.33 [3.30, 3.36], "
        "adjusted p < 0.001 (lower is better)"
    ]


def test_a_difference_within_chance_is_not_better(findings_of):
    findings = findings_of("{{better net/tune than net/none in distance}}", net_tune=[0.04, 0.06, 0.05])
    assert findings.not_borne_out


def test_a_claim_that_something_differs_is_tested_together_with_all_that_might_have_been_made(findings_of):
    # Differences of 0.00400, 0.00515 and 0.00585: p = 0.011 by itself.
    values = {"net_tune": [0.046, 0.04585, 0.04615]}
    (line,) = findings_of("{{better net/tune than net/none in distance}}", **values).not_borne_out
    assert line.endswith("in distance: difference -0.50 [-0.73, -0.27], adjusted p = 0.091 (lower is better)")
    text = findings_of("{{difference net/tune to net/none in distance}}", **values).text(MARKDOWN)
    assert text.startswith("−0.50 [−0.73, −0.27], p = 0.011")


@pytest.mark.parametrize(
    ("text", "about"),
    [
        (
            "{{better net/tune than net/none in distance}} {{difference net/fit to net/none in distance}}",
            "An *adjusted* p counts all 30 comparisons that these findings might have claimed: 20 of two rows and 10 of a row "
            "and the floor, in all columns that rank",
        ),
        ("{{no-difference net/fit to chain/fit in distance}}", "every p and interval in them is of one comparison by itself"),
        ("{{value net/fit in distance}} is a number.", None),
        ("Words alone.", None),
    ],
)
def test_findings_say_what_their_p_and_intervals_are_of(findings_of, text, about):
    paragraphs = findings_of(text).text(MARKDOWN).split("\n\n")
    assert len(paragraphs) == (1 if about is None else 2)
    assert about is None or about in paragraphs[1]


def test_a_claim_on_rows_that_lack_seeds_is_not_measured_yet(load, publish_records, runs, run_records):
    text = "{{better net/tune than net/none in distance}}; {{value net/tune in distance}}; {{at-floor net/tune in distance}}"
    board = load(("title: Rings\n", f"title: Rings\nfindings: '{text}'\n"))
    assert "[not measured yet]; [not measured yet]; [not measured yet]" in render_published(board).page
    run_records(board, runs, [cell for cell in board.cells if cell.name != "net/tune/s2"])
    rendered = render_runs(board, runs)
    assert "[not measured yet]; 1.73 ± 0.08 (2 of 3 seeds); [not measured yet]" in rendered.page
    assert rendered.not_borne_out == []


def test_what_the_records_do_not_bear_out_is_named_with_the_boards_file(load, publish_records):
    board = load(("title: Rings\n", "title: Rings\nfindings: '{{at-floor net/none in distance}}'\n"))
    publish_records(board)
    (line,) = render_published(board).not_borne_out
    assert line == (
        f"{board.folder}/board.yaml:2: findings: the records do not bear out: at-floor net/none in distance: "
        "difference 3.90 [3.64, 4.16], p < 0.001"
    )


def test_of_several_columns_the_one_that_speaks_against_a_claim_is_named(findings_of):
    (line,) = findings_of("{{better net/tune than net/none in distance and likeness}}").not_borne_out
    assert "do not bear out: better net/tune than net/none in likeness: difference -0.033 [" in line
    assert line.endswith("(higher is better)")


def test_a_claim_on_a_row_that_is_skipped_says_why(load, publish_records):
    text = (
        "{{value chain/tune in distance}}; {{at-floor chain/tune in distance}}; "
        "{{better chain/tune than chain/fit in distance}}; {{difference chain/fit to chain/tune in distance}}"
    )
    board = load(("title: Rings\n", f"title: Rings\nfindings: '{text}'\n"))
    publish_records(board)
    reason = "skipped: chain lacks Likelihood, which tune needs"
    findings = Findings(Table.from_collection(collect_published(board)))
    named = f"[chain/tune {reason}]"
    assert findings.text(MARKDOWN) == f"[{reason}]; [{reason}]; {named}; {named}"
    assert findings.not_borne_out == []


def test_a_value_of_a_row_whose_seeds_all_diverged_will_not_be_measured(load, publish_records):
    board = load(("title: Rings\n", "title: Rings\nfindings: '{{value net/tune in distance}}'\n"))
    publish_records(board)
    cells = [cell for cell in board.cells if cell.name.startswith("net/tune/")]
    publish_records(board, cells, status="diverged", metrics={}, reason="loss is nan")
    assert Findings(Table.from_collection(collect_published(board))).text(MARKDOWN) == "[diverged 3/3]"


def test_a_claim_on_a_row_whose_seeds_diverged_says_that_there_is_no_test(load, publish_records):
    text = "{{better net/tune than net/fit in distance}}; {{at-floor net/fit in distance}}"
    board = load(("title: Rings\n", f"title: Rings\nfindings: '{text}'\n"))
    publish_records(board)
    cells = {cell.name: cell for cell in board.cells}
    publish_records(board, [cells["net/tune/s0"]], status="diverged", metrics={}, reason="loss is nan")
    assert "[no test: not all seeds ended well]; " in render_published(board).page
    (board.folder / "results" / "floor__distance.json").unlink()
    assert "[no test: the floor is not measured, or over too few pairs]" in render_published(board).page


def test_a_claim_about_rows_that_share_too_few_seeds_is_not_tested(load, publish_records):
    claim = "{{better net/tune than net/fit in distance}}"
    board = load(
        ("title: Rings\n", f"title: Rings\nfindings: '{claim}'\n"),
        ("note: the control}", "note: the control, only: 'seed=0,1'}"),
        ("  tune:\n", "  tune: {only: 'seed=1,2'}\n"),
    )
    publish_records(board)
    assert Findings(Table.from_collection(collect_published(board))).text(MARKDOWN) == UNPAIRED
