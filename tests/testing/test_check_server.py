"""However a forked process ends, the server goes on, and says in words how it ended."""

import io
import os
import signal
import sys
import time

import pytest

from harness.testing.check_server import Server


@pytest.fixture
def server():
    """A server whose other side asks nothing, and stays."""
    reading, writing = os.pipe()
    yield Server(io.StringIO(), limit=60.0, requests=reading)
    os.close(reading)
    os.close(writing)


def test_answers_come_in_their_order(server):
    answers = []
    assert server.run(lambda give: [give({"number": number}) for number in range(3)], answers.append) is None
    assert answers == [{"number": 0}, {"number": 1}, {"number": 2}]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: os._exit(3), "its process ended with exit code 3"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "its process was killed by SIGTERM"),
        (lambda: os._exit(0), "its process ended with exit code 0"),
        (lambda: sys.exit(5), "its process ended with exit code 1; the last that it printed: SystemExit: 5"),
        (lambda: os.write(1, b"half a line") and os._exit(1), "exit code 1; the last that it printed: half a line"),
    ],
)
def test_a_process_that_dies_is_told_with_what_it_said_last(server, act, words):
    answers = []
    ended = server.run(lambda give: (give({"number": 1}), act()), answers.append)
    assert ended.endswith(words)
    assert answers == [{"number": 1}]


def test_a_process_that_takes_too_long_is_ended_with_all_that_it_started(server, tmp_path):
    server.limit = 0.5

    def work(give):
        if os.fork() == 0:
            time.sleep(3)
            (tmp_path / "alive").touch()
            os._exit(0)
        time.sleep(60)

    began = time.monotonic()
    assert server.run(work, lambda _: None) == "it took longer than 0.5 s; --time-limit sets another limit"
    assert time.monotonic() - began < 3
    time.sleep(max(0.0, 3.5 - (time.monotonic() - began)))
    assert not (tmp_path / "alive").exists()


def test_what_a_process_prints_reaches_nobody(server, capfd):
    assert server.run(lambda _: os.write(1, b"noise"), lambda _: None) is None
    assert capfd.readouterr().out == ""


def test_the_work_ends_when_the_other_side_has_gone():
    reading, writing = os.pipe()
    os.close(writing)
    began = time.monotonic()
    with pytest.raises(SystemExit):
        Server(io.StringIO(), limit=60.0, requests=reading).run(lambda _: time.sleep(60), lambda _: None)
    assert time.monotonic() - began < 10
    os.close(reading)
