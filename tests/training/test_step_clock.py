"""The clock counts what steps take, and nothing that stands beside them."""

import pytest
import torch

from harness.training.step_clock import StepClock


@pytest.fixture
def now(monkeypatch):
    """The time, which tests move."""
    moment = [50.0]
    monkeypatch.setattr("time.perf_counter", lambda: moment[0])
    return moment


@pytest.fixture
def elsewhere():
    """Seconds that steps spent elsewhere, one for each count to come."""
    return []


@pytest.fixture
def clock(now, elsewhere):
    return StepClock(torch.device("cpu"), lambda: elsewhere.pop() if elsewhere else 0.0)


def test_time_is_counted_once(clock, now, elsewhere):
    now[0] += 3
    clock.count()
    clock.count()
    assert clock.seconds == 3
    now[0] += 2
    elsewhere.append(10.0)
    clock.count()
    assert clock.seconds == 15


def test_time_before_a_start_that_nobody_counted_is_left_out(clock, now):
    now[0] += 3
    clock.start()
    now[0] += 1
    clock.count()
    assert clock.seconds == 1


def test_time_apart_is_not_counted_whatever_it_raises(clock, now):
    def fails():
        with clock.apart():
            now[0] += 100
            raise KeyError

    now[0] += 7
    with clock.apart():
        now[0] += 100
    with pytest.raises(KeyError):
        fails()
    now[0] += 1
    clock.count()
    assert clock.seconds == 8


def test_a_training_that_goes_on_counts_from_the_seconds_of_its_checkpoint(clock, now):
    clock.seconds = 40.0
    now[0] += 2
    clock.count()
    assert clock.seconds == 42
