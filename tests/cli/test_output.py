"""Results go to stdout, remarks to stderr; tables, JSON and times read well."""

import json
from pathlib import Path

import pytest

from harness.cli.output import duration, print_json, print_table, remark, result


def test_results_go_to_stdout_and_remarks_to_stderr(capsys):
    result("what was asked for")
    remark("where it is")
    assert capsys.readouterr() == ("what was asked for\n", "where it is\n")


def test_a_table_has_columns_as_wide_as_their_widest_text(capsys):
    print_table([{"name": "ddo", "summary": "a method"}, {"name": "continued", "summary": ""}])
    assert capsys.readouterr().out.splitlines() == [
        "name       summary",
        "ddo        a method",
        "continued",  # and no spaces at the end of a line
    ]


def test_rows_may_have_columns_of_their_own(capsys):
    """Two searches by different metrics in one command ended in a KeyError."""
    print_table([{"search": "ddo", "fid": "3"}, {"search": "neon", "kid": "0.1"}])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["search", "fid", "kid"],
        ["ddo", "3"],
        ["neon", "0.1"],
    ]


def test_a_table_without_rows_prints_nothing(capsys):
    print_table([])
    assert capsys.readouterr() == ("", "")


def test_json_is_indented_and_keeps_letters_of_all_languages(capsys):
    print_json({"title": "Fréchet", "path": Path("a/b"), "value": None})
    printed = capsys.readouterr().out
    assert "Fréchet" in printed
    assert len(printed.splitlines()) == 5
    assert json.loads(printed) == {"title": "Fréchet", "path": "a/b", "value": None}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (40.4, "40 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2.0 h"), (12600, "3.5 h")],
)
def test_a_time_is_told_in_the_unit_that_suits_it(seconds, text):
    assert duration(seconds) == text
