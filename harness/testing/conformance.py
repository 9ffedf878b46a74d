"""The suites of all that is installed, as tests: `pytest --pyargs harness.testing.conformance`, with `-k NAME` for some of them.

They are what `harness check` runs, and each component has a process of its own here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import pytest

from harness.plugins import Broken
from harness.testing.checker import Checker
from harness.testing.expect import expect
from harness.testing.reports import Subject


@cache
def _started() -> tuple[Checker, Sequence[Subject], Sequence[Broken]]:
    """Start a server, once: it imports torch, and knows what is installed. It ends with the tests, or with this process."""
    checker = Checker()
    return checker, *checker.installed()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each subject."""
    if "subject" in metafunc.fixturenames:
        metafunc.parametrize("subject", _started()[1], ids=lambda subject: subject.title)


@pytest.fixture(scope="module")
def checker() -> Iterator[Checker]:
    """Give the server to all tests."""
    with _started()[0] as checker:
        yield checker


def test_no_installed_plugin_is_broken() -> None:
    """Every plugin can be imported and lists its components."""
    broken = _started()[2]
    expect(not broken, "; ".join(f"{plugin.plugin}: {plugin.reason}" for plugin in broken))


def test_it_keeps_the_contract(subject: Subject, checker: Checker) -> None:
    """Every check of a subject passes; where some cannot be tried and none fails, the test is skipped with the reason."""
    report = checker.check(subject)
    failed = [
        f"{' '.join(filter(None, [each.check, each.on]))}: {each.message}" for each in report.outcomes if each.state == "failed"
    ]
    expect(not failed, "\n".join(failed))
    if report.state == "skipped":
        pytest.skip("; ".join(outcome.message for outcome in report.outcomes if outcome.state == "skipped"))
