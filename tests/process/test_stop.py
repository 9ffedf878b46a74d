"""Stop requests: a signal sets a flag, and nothing else happens until somebody looks."""

import os
import signal

import pytest

from harness.errors import Interrupted
from harness.process import stop


@pytest.fixture
def _signals_ask():
    before = {number: signal.getsignal(number) for number in stop.SIGNALS}
    stop.on_signals()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_without_a_request_work_goes_on():
    stop.check()
    assert not stop.is_requested()
    assert not stop.is_forced()


def test_a_request_raises_at_the_next_check_and_not_before():
    stop.request()
    assert stop.is_requested()
    for _ in range(2):  # the request stays: every later check stops as well
        with pytest.raises(Interrupted):
            stop.check()
    assert not stop.is_forced()


def test_a_second_request_is_a_forced_stop():
    stop.request()
    stop.request()
    assert stop.is_forced()


def test_a_cleared_request_is_forgotten():
    stop.request()
    stop.request()
    stop.clear()
    stop.check()
    assert not stop.is_forced()


@pytest.mark.usefixtures("_signals_ask")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_request_and_interrupts_nothing(number):
    os.kill(os.getpid(), number)  # no KeyboardInterrupt comes out of it
    assert stop.is_requested()
    os.kill(os.getpid(), number)
    assert stop.is_forced()
