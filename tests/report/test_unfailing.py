import logging

import pytest

from harness.errors import Faults
from harness.report.unfailing import unfailing


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("of this\nand that"), "no plot: ValueError: of this"),
        (MemoryError(), "no plot: MemoryError"),
        (Faults(["a: one", "b: two"]), "no plot: a: one b: two"),
    ],
)
def test_whatever_fails_becomes_one_line(error, line):
    lines = []
    with unfailing(lines, "no plot"):
        raise error
    assert lines == [line]


def test_what_does_not_fail_adds_nothing_and_a_stop_by_the_user_passes():
    lines = []
    with unfailing(lines, "no plot"):
        pass
    with pytest.raises(KeyboardInterrupt), unfailing(lines, "no plot"):
        raise KeyboardInterrupt
    assert lines == []


def test_the_traceback_of_a_bug_can_be_read_in_the_log(caplog):
    with caplog.at_level(logging.DEBUG), unfailing([], "no plot"):
        raise RuntimeError("deep inside")
    assert "Traceback" in caplog.text
