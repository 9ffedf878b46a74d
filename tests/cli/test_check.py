"""`harness check` says what passed, what failed and why, and ends with 1 where something failed."""

import json
import sys

import pytest
import typer

from harness.cli.check import check
from harness.plugins import Broken
from harness.testing import checker
from harness.testing.reports import Outcome, Report, Subject

GOOD, BAD, ABSENT = (Subject("metric", name, "odd", "fake-odd 0.1") for name in ("good", "bad", "absent"))
OUTCOMES = {
    "good": [Outcome("values repeat", "passed"), Outcome("values are finite", "passed")],
    "bad": [Outcome("values repeat", "passed"), Outcome("steps resume", "failed", "on net", "keep all state")],
    "absent": [Outcome("values repeat", "passed"), Outcome("the other checks", "skipped", message="its file is not here")],
}


class Scripted:
    """A checker in whose place every outcome is known."""

    broken = ()

    def __init__(self, limit):
        self.limit = limit

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def installed(self):
        return [GOOD, BAD, ABSENT], list(self.broken)

    def check(self, subject, settings=None):
        return Report(subject, OUTCOMES[subject.name])


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    monkeypatch.setattr(checker, "Checker", Scripted)
    return lambda *broken: monkeypatch.setattr(Scripted, "broken", broken)


def test_what_failed_is_shown_with_what_to_change_and_what_passed_is_counted(shell):
    ended = shell("check")
    assert ended.returncode == 1
    assert ended.stdout.splitlines() == [
        "✓ metric:good  2 checks passed  (fake-odd 0.1)",
        "✗ metric:bad  1 check passed  (fake-odd 0.1)",
        "    ✗ steps resume on net: keep all state",
        "– metric:absent  1 check passed  (fake-odd 0.1)",
        "    – skipped the other checks: its file is not here",
    ]
    assert ended.stderr == "1 passed, 1 failed, 1 skipped in part or whole\n"


def test_a_file_has_the_lines_of_each_component_before_the_next_one_is_checked(tmp_path, monkeypatch):
    path, seen = tmp_path / "checked", []

    class Watched(Scripted):
        def check(self, subject, settings=None):
            seen.append(path.read_text().count("metric:"))
            return super().check(subject, settings)

    monkeypatch.setattr(checker, "Checker", Watched)
    with path.open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        with pytest.raises(typer.Exit):
            check()
    assert seen == [0, 1, 2]


def test_what_is_skipped_is_no_failure(shell):
    assert shell("check", "good", "absent").returncode == 0


def test_every_check_is_shown_where_that_is_asked_for(shell):
    lines = shell("check", "metric:good", "--verbose").stdout.splitlines()
    assert lines[1:] == ["    ✓ values repeat", "    ✓ values are finite"]


def test_a_broken_plugin_is_a_failure(shell, scripted):
    scripted(Broken("cracked", "harness_cracked", "no such module"))
    ended = shell("check", "cracked")
    assert (ended.returncode, ended.stdout) == (1, "✗ plugin:cracked  cannot be used\n    ✗ no such module\n")


def test_json_has_every_check(shell, scripted):
    scripted(Broken("cracked", "harness_cracked", "no such module"))
    ended = shell("check", "--format", "json")
    assert ended.returncode == 1
    content = json.loads(ended.stdout)
    assert [component["state"] for component in content["components"]] == ["passed", "failed", "skipped"]
    assert content["components"][1]["checks"][1] == {
        "check": "steps resume", "state": "failed", "on": "on net", "message": "keep all state",
    }  # fmt: skip
    assert content["broken"][0]["reason"] == "no such module"


def test_a_name_that_is_not_installed_is_one_line(shell):
    ended = shell("check", "god")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "no component, plugin or distribution is called 'god'; did you mean 'good'?" in ended.stderr
