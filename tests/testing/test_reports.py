"""A report is as good as the worst of its outcomes."""

import pytest

from harness.testing.reports import Outcome, Report, Subject


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([], "passed"),
        (["passed", "passed"], "passed"),
        (["passed", "skipped"], "skipped"),
        (["skipped", "failed", "passed"], "failed"),
    ],
)
def test_a_failure_counts_more_than_a_skip_and_a_skip_more_than_a_pass(states, state):
    report = Report(Subject("metric", "w2", "wasserstein"), [Outcome("it works", each) for each in states])
    assert (report.state, report.passed) == (state, states.count("passed"))
    assert report.subject.title == "metric:w2"
