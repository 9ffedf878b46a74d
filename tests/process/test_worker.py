"""Workers: one thread, signals that wait until the worker can take them, and an end with the parent."""

import os
import signal
import time

import pytest

from harness.process import worker

SIGNALLED_EARLY = """
import os, signal, sys
from harness.process import stop, worker
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with SIGINT ignored
if sys.argv[1] == "held":
    signal.pthread_sigmask(signal.SIG_BLOCK, stop.SIGNALS)
os.kill(os.getpid(), signal.SIGINT)
print("imports are done")
worker.begin()
print("a stop is requested" if stop.is_requested() else "no stop is requested")
import torch
print(torch.get_num_threads(), float(torch.tensor([1e-39]) * 1.0))
"""
CHILD_OF_A_PARENT = """
import os, time
from harness.process import worker
parent = os.getpid()
if os.fork() == 0:
    print(os.getpid())
    worker.begin(parent)
time.sleep(600)
"""


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_has_one_thread_unless_the_user_says_otherwise(monkeypatch):
    for name in worker.THREADS:
        monkeypatch.delenv(name, raising=False)
    assert set(worker.thread_environment().values()) == {"1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    environment = worker.thread_environment()
    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["MKL_NUM_THREADS"] == "1"


def test_a_held_signal_reaches_the_worker_when_it_begins_with_its_threads_and_without_denormal_numbers(python, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    out, err = python(SIGNALLED_EARLY, "held").communicate(timeout=120)
    # 1e-39 is below the smallest normal float32, 1.2e-38.
    assert out.splitlines() == ["imports are done", "a stop is requested", "2 0.0"], err


def test_a_signal_that_is_not_held_kills_the_worker_before_it_begins(python):
    out, err = python(SIGNALLED_EARLY, "free").communicate(timeout=120)
    assert out == ""
    assert "KeyboardInterrupt" in err


def test_a_worker_knows_its_job_in_a_queue(python):
    assert worker.job_id() == ""
    code = "from harness.process import worker; worker.begin(job_id='4711_3'); print(worker.job_id())"
    assert python(code).communicate(timeout=120)[0] == "4711_3\n"


def test_signals_are_held_only_inside_of_the_block():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with worker.hold_signals():
        inside = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert {signal.SIGINT, signal.SIGTERM} <= inside
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    with pytest.raises(ZeroDivisionError), worker.hold_signals():
        raise ZeroDivisionError
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads /proc")
def test_a_worker_ends_when_its_parent_is_killed(python):
    parent = python(CHILD_OF_A_PARENT)
    worker_pid = int(parent.stdout.readline())
    assert is_alive(worker_pid)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 20
    while is_alive(worker_pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_alive(worker_pid)


def test_importing_pandas_with_pyarrow_starts_no_thread_that_a_fork_would_lack(python):
    pytest.importorskip("pyarrow", reason="needs the extra [parquet]")
    code = "from harness.process import worker; worker.warm_up(); import os, pyarrow, pandas; "
    code += "print(len(os.listdir('/proc/self/task')))"
    out, err = python(code).communicate(timeout=120)
    assert out == "1\n", err
