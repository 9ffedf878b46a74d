"""Every component has a process of its own: whatever a plugin does is the outcome of its own checks."""

import os

import pytest
from misbehaving import BROKEN, DEADLY, METRICS, put_plugin

from harness.errors import Faults
from harness.testing.checker import Checker


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What is installed, with plugins that misbehave, and a report for each of their components."""
    site = tmp_path_factory.mktemp("site")
    for name, source in (("odd", METRICS), ("deadly", DEADLY), ("cracked", BROKEN)):
        put_plugin(site, name, source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
        with Checker(limit=120.0) as checker:
            subjects, broken = checker.installed()
            mine = [subject for subject in subjects if subject.plugin == "odd"]
            reports = {subject.name: checker.check(subject) for subject in mine if subject.kind == "metric"}
            with pytest.raises(Faults) as wrong:
                checker.check(mine[1], {"bogus": 1})
            given = checker.check(next(each for each in mine if each.name == "needy"), {"sha256": "0"})
    return mine, {plugin.plugin: plugin for plugin in broken}, reports, str(wrong.value), given


def failure(found, name):
    (outcome,) = (each for each in found[2][name].outcomes if each.state != "passed")
    return outcome


def test_everything_that_works_is_listed_with_its_distribution(found):
    assert {(subject.title, subject.distribution) for subject in found[0]} >= {
        ("plugin:odd", "fake-odd 0.1"),
        ("metric:good", "fake-odd 0.1"),
    }


def test_a_plugin_whose_import_ends_the_process_is_broken_and_the_others_are_listed(found):
    assert found[1].keys() == {"deadly", "cracked"}
    assert found[1]["deadly"].reason == "while it was imported, its process was killed by SIGSEGV"
    assert "there_is_no_such_module" in found[1]["cracked"].reason


def test_a_component_that_keeps_the_contract_passes(found):
    report = found[2]["good"]
    assert (report.state, {outcome.state for outcome in report.outcomes}) == ("passed", {"passed"})
    assert report.passed == len(report.outcomes) == 12


def test_a_promise_that_is_broken_is_told_by_its_check_and_the_other_checks_go_on(found):
    failed = [outcome for outcome in found[2]["far"].outcomes if outcome.state == "failed"]
    assert [outcome.message for outcome in failed] == [
        next(outcome.message for outcome in failed if outcome.message.startswith("far does not rise as samples move away"))
    ]
    assert found[2]["far"].outcomes[-1].state == "failed"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dies", "its process ended with exit code 3"),
        ("is-killed", "its process was killed by SIGSEGV"),
    ],
)
def test_a_process_that_dies_is_the_failure_of_the_check_that_ran(found, name, message):
    outcome = failure(found, name)
    assert (outcome.state, outcome.check) == (
        "failed",
        "all values are finite floats, the first under the metric's own name and in its range",
    )
    assert outcome.message == message


def test_an_exception_is_told_with_the_line_of_the_plugin(found):
    messages = {outcome.message for outcome in found[2]["raises"].outcomes if outcome.state == "failed"}
    (message,) = messages
    assert message.startswith("ZeroDivisionError: the metric's own fault (at ")
    assert "odd.py:" in message


def test_an_exit_is_a_failure_like_others(found):
    messages = {outcome.message for outcome in found[2]["exits"].outcomes if outcome.state == "failed"}
    assert next(iter(messages)).startswith("it called sys.exit(4) (at ")


def test_what_the_user_must_bring_skips_the_other_checks(found):
    outcome = failure(found, "absent")
    assert (outcome.state, outcome.message) == ("skipped", "metric absent: its file is not here; get it")
    assert found[2]["absent"].state == "skipped"


def test_settings_without_a_default_skip_the_other_checks_until_they_are_given(found):
    outcome = failure(found, "needy")
    assert outcome.state == "skipped"
    assert outcome.message == "its settings sha256 have no default; give them: --set needy.sha256=…"
    assert found[4].state == "passed"


def test_what_cannot_be_built_is_a_failure_that_says_what_must_be_given(found):
    outcome = failure(found, "no-build")
    assert (outcome.state, outcome.check) == ("failed", "what the checks need can be made")
    assert "gave a int without __call__; it must give a harness.interfaces.MetricFunction" in outcome.message


def test_a_setting_that_is_none_is_the_callers_mistake(found):
    assert found[3].startswith("--set ")
    assert "bogus: no setting has this name" in found[3]
