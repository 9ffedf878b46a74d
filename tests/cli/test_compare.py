"""`harness compare`, `harness rank` and `harness target` on the small board's published records."""

import json

import pytest
from board_fixtures import fake_record

from harness.board.reading.load import load_board
from harness.store.records import CurvePoint, save_record


@pytest.fixture
def published(filled):
    """A shell with a board whose records are published."""
    assert filled("publish", "leaderboards/small").returncode == 0
    return filled


def test_two_methods_are_compared_with_their_tests(published):
    done = published("compare", "leaderboards/small", "ddo", "none")
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.split()[:2] == ["rows", "column"]
    assert any(line.startswith("ddpm/ddo - ddpm/none  sliced-w2") for line in lines)
    assert "p: paired t test" in done.stderr


def test_json_holds_the_value_of_each_seed_as_the_table_in_json_does(published):
    compared = json.loads(published("compare", "leaderboards/small", "ddpm/ddo", "ddpm/none", "--json").stdout)
    table = json.loads(published("render", "leaderboards/small", "--format", "json").stdout)
    (row,) = [row for row in table["rows"] if (row["base"], row["method"]) == ("ddpm", "ddo")]
    seeds = {each["seed"]: each["first"] for each in compared["comparisons"][0]["seeds"]}
    assert seeds
    assert seeds == pytest.approx({seed: row[f"sliced-w2 seed {seed}"] for seed in seeds})


def test_records_of_a_run_are_compared_where_asked(filled):
    assert filled("compare", "leaderboards/small", "ddo", "none").returncode == 2  # nothing is published
    assert filled("compare", "leaderboards/small", "ddo", "none", "--runs").returncode == 0


def test_two_records_say_what_differs(published):
    results = published.folder / "results"
    done = published("compare", str(results / "ddpm__ddo__s0.json"), str(results / "ddpm__none__s0.json"))
    assert done.returncode == 0, done.stderr
    assert "settings: " in done.stdout
    assert "software and machine: the same" in done.stdout
    same = published("compare", *[str(results / "ddpm__ddo__s0.json")] * 2)
    assert same.stdout.count("the same") == 4


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["leaderboards/small", "ddo"], "error: compare: give a board and two methods"),
        (["leaderboards/small", "dda", "none"], "error: board small: no method is called 'dda'; did you mean 'ddo'?"),
        (["leaderboards/gone", "ddo", "none"], "error: leaderboards/gone"),
        (["gone.json", "none.json"], "error: gone.json: no such record"),
    ],
)
def test_wrong_words_are_exit_2_and_one_line(published, words, fault):
    done = published("compare", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(fault)
    assert "Traceback" not in done.stderr


def test_one_base_ranks_nothing_and_says_why(published):
    done = published("rank", "leaderboards/small")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ranks need 3 methods on 2 bases at least")


def test_a_board_without_records_is_advised_what_the_command_has(shell):
    advice = "error: leaderboards/small: nothing published; run: harness publish leaderboards/small"
    assert shell("rank", "leaderboards/small").stderr == f"{advice}\n"
    assert shell("target", "leaderboards/small", "5").stderr == f"{advice}, or give --runs for the records of a run\n"


def test_a_base_to_rank_that_the_board_lacks_is_one_line(published):
    done = published("rank", "leaderboards/small", "--base", "nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: board small: no base is called 'nonsense'; there are: ")
    assert done.stderr.count("\n") == 1


CURVE = "curve: {metric: sliced-w2, points: 2, samples: 100}\n"


def test_a_target_needs_a_curve(published):
    done = published("target", "leaderboards/small", "0.01")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: small: the board measures no curve along training (curve: in board.yaml)\n"


def test_records_without_a_curve_reach_nothing(published):
    file = published.folder / "board.yaml"
    file.write_text(file.read_text() + CURVE)
    done = published("target", "leaderboards/small", "0.01")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: leaderboards/small: no record of a row that trains holds a curve\n"


def test_a_target_that_no_curve_reaches_has_no_time(published):
    file = published.folder / "board.yaml"
    file.write_text(file.read_text() + CURVE)
    for cell in load_board(published.folder).cells:
        curve = [CurvePoint(images=images, value=0.5) for images in (0, 1280)]
        save_record(fake_record(cell, curve=curve), published.folder / "results" / f"{cell.name.replace('/', '__')}.json")
    done = published("target", "leaderboards/small", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("0 of 2") == 2
    rows = json.loads(published("target", "leaderboards/small", "0", "--json").stdout)["rows"]
    assert {each for row in rows for each in row["seeds"]} == {None}
