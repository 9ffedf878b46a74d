"""A job's call in its worker: what it answers, and when it goes back into the queue."""

import math
import operator
import pickle
import signal
import threading
from types import SimpleNamespace

import pytest

from harness.process import stop
from harness.stages.job_result import BUSY, INTERRUPTED
from harness.testing import executor_jobs
from harness_slurm import call
from harness_slurm.call import Answer, QueuedCall, is_interrupted


def answer_of(function, *arguments):
    return call._answer(pickle.dumps((function, arguments)))


def test_a_job_answers_with_its_value_or_with_what_it_raised_in_one_line(capfd):
    assert answer_of(math.sqrt, 9.0) == Answer(3.0)
    assert answer_of(operator.truediv, 1, 0) == Answer(death="ZeroDivisionError: division by zero")
    assert answer_of(executor_jobs.exit_with, 3) == Answer(death="SystemExit: 3")
    assert "Traceback" in capfd.readouterr().err  # which the log of the job keeps


def test_a_value_that_cannot_be_sent_back_is_a_fault_of_the_job(capfd):
    assert answer_of(iter, [1]).death is None
    assert "pickle" in answer_of(threading.Lock).death
    capfd.readouterr()


def test_only_what_was_interrupted_goes_back():
    assert is_interrupted(INTERRUPTED)
    assert not is_interrupted(BUSY)
    assert not is_interrupted("asked to stop")


def test_a_checkpoint_is_the_same_call():
    queued = QueuedCall(b"call", 120)
    assert queued.checkpoint().function is queued


class Environment(SimpleNamespace):
    def _usr_sig(self):
        return signal.SIGUSR2


@pytest.fixture
def queued():
    """The signals with which the job was put back."""
    return []


@pytest.fixture
def requests(monkeypatch, tmp_path, queued):
    """Makes the requests of a worker whose job has this state in Slurm."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    before = {number: signal.getsignal(number) for number in (*call.FROM_CLUSTER, signal.SIGINT)}

    def requests(state, put_back=lambda number, _: queued.append(number)):
        script = tmp_path / "scontrol"
        script.write_text(f"#!/bin/sh\necho 'JobId=7 JobName=x'\necho '   JobState={state} Reason=None'\n")
        script.chmod(0o755)
        signal.signal(signal.SIGUSR2, put_back)
        made = call._Requests(Environment(cluster="slurm", raw_job_id="7"))
        made.take_signals()
        return made

    yield requests
    for number, handler in before.items():
        signal.signal(number, handler)
    stop.clear()


@pytest.mark.parametrize("number", ["SIGTERM", "SIGUSR1", "SIGUSR2"])
def test_signals_of_the_cluster_are_one_request_to_stop_that_puts_the_job_back(requests, number, queued):
    made = requests("RUNNING")
    for _ in range(2):
        signal.raise_signal(getattr(signal, number))
    assert stop.is_requested()
    assert not stop.is_forced()
    assert made.are_from_cluster
    made.restart(Answer(INTERRUPTED))
    assert queued == [signal.SIGUSR2]


def test_a_stop_of_the_user_does_not_put_the_job_back_whatever_else_comes(requests):
    made = requests("RUNNING")
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert stop.is_requested()
    assert not made.are_from_cluster


def test_a_job_that_slurm_is_ending_is_left_to_it(requests, queued):
    assert requests("COMPLETING").restart(Answer(INTERRUPTED)) == Answer(INTERRUPTED, wants_restart=True)
    assert queued == []


def test_a_job_that_cannot_be_put_back_from_its_container_asks_the_executor_for_it(requests, capfd):
    def refuse(number, frame):
        raise FileNotFoundError("scontrol")

    assert requests("RUNNING", refuse).restart(Answer(INTERRUPTED)) == Answer(INTERRUPTED, wants_restart=True)
    assert "cannot be put back into the queue from here: scontrol" in capfd.readouterr().err


def test_a_slurm_that_does_not_answer_is_asked_to_put_the_job_back(requests, tmp_path, queued):
    made = requests("RUNNING")
    (tmp_path / "scontrol").write_text("#!/bin/sh\nexit 1\n")
    made.restart(Answer(INTERRUPTED))
    assert queued == [signal.SIGUSR2]
