"""What runs on a machine of a cluster: what it looks at, which variables a job gets, and how the job's end is told."""

import math
import operator
import os
import pickle
import signal
import threading
from pathlib import Path

import psutil
import pytest

import harness
from harness.testing import executor_jobs
from harness.toolkit import supervisor
from harness.toolkit.supervisor import Supervisor


@pytest.fixture
def here(tmp_path):
    """A supervisor on this machine, of a command that was started in `tmp_path`."""
    return Supervisor(str(tmp_path), {**os.environ, "OMP_NUM_THREADS": "1"}, sees_cards=False)


def test_a_machine_that_sees_the_folder_and_has_this_harness_can_run_jobs(here, tmp_path):
    (tmp_path / "mark").touch()
    assert here.look(["mark"], harness.__version__) == (os.uname().nodename, "")


def test_a_machine_that_cannot_run_jobs_says_what_stands_in_the_way(here, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "SIGHT_SECONDS", 0.2)
    absent = Supervisor(str(tmp_path / "absent"), dict(os.environ), sees_cards=False)
    assert absent.look([], harness.__version__)[1] == (
        f"it has no folder {tmp_path}/absent, in which the command was started; all machines must share it"
    )
    assert here.look(["/runs/mark"], harness.__version__)[1] == (
        "it does not see what this machine writes into /runs; all machines must share it"
    )
    assert here.look([], "0.0")[1] == f"it has version {harness.__version__} of the harness, and this machine has 0.0"


def test_a_machine_without_the_harness_says_so(tmp_path):
    (tmp_path / "harness.py").write_text("raise ImportError('not here')")  # the first on the path is the working folder
    _, fault = Supervisor(str(tmp_path), dict(os.environ), sees_cards=False).look([], harness.__version__)
    assert "cannot import the harness (ImportError: not here); install it there" in fault


def test_a_job_has_the_variables_of_the_command_and_the_places_of_its_machine(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("TMPDIR", "/here")
    monkeypatch.delenv("HARNESS_HOST", raising=False)
    command = {"HARNESS_CACHE": "/shared", "OMP_NUM_THREADS": "1", "TMPDIR": "/there", "HARNESS_HOST": "head"}
    job = Supervisor("/", command, sees_cards=True)._environment
    assert (job["HARNESS_CACHE"], job["OMP_NUM_THREADS"], job["TMPDIR"]) == ("/shared", "1", "/here")
    assert job["CUDA_VISIBLE_DEVICES"] == "3"
    assert "HARNESS_HOST" not in job
    assert Supervisor("/", command, sees_cards=False)._environment["CUDA_VISIBLE_DEVICES"] == "", "it asked for no card"


def test_a_job_that_is_stopped_before_it_begins_does_not_begin(here):
    here.stop()
    assert here.run(b"", "") == (None, -signal.SIGINT)


@pytest.mark.long
def test_a_job_runs_in_a_process_of_its_own_and_its_end_is_told(tmp_path):
    def run(function, *arguments):
        here = Supervisor(str(tmp_path), {**os.environ, "OMP_NUM_THREADS": "1"}, sees_cards=False)
        answer, code = here.run(pickle.dumps((function, arguments)), "job")
        return None if answer is None else pickle.loads(answer), code

    assert run(math.sqrt, 9.0) == ((3.0, None), 0)
    assert run(operator.truediv, 1, 0) == ((None, "ZeroDivisionError: division by zero"), 0)
    assert run(executor_jobs.die_with, 9) == (None, 9)
    assert run(os.kill, os.getpid(), 0) == ((None, None), 0)
    (pid, death), _ = run(os.getpid)
    assert death is None
    assert pid != os.getpid()
    assert not psutil.pid_exists(pid)


def stopped(folder, function, *arguments):
    """Run a job, stop it as soon as it has begun. Returns: (what it answered, exit code)."""
    here = Supervisor(str(folder), {**os.environ, "OMP_NUM_THREADS": "1"}, sees_cards=False)
    ends = []
    call = pickle.dumps((function, (str(folder), function.__name__, *arguments)))
    running = threading.Thread(target=lambda: ends.append(here.run(call, "")))
    running.start()
    while not Path(folder, f"{function.__name__}.began").exists():
        running.join(0.05)
    here.stop()
    running.join()
    ((answer, code),) = ends
    return None if answer is None else pickle.loads(answer), code


@pytest.mark.long
def test_a_stop_reaches_a_job_with_something_to_save_and_ends_another(tmp_path):
    answer, code = stopped(tmp_path, executor_jobs.until_stopped)
    assert answer == ("asked to stop", None)
    assert code in (0, -signal.SIGKILL)  # on a busy machine an interpreter may take longer to end than a stop waits
    assert stopped(tmp_path, executor_jobs.nap, 60.0) == (None, -signal.SIGKILL)


@pytest.mark.long
def test_a_kill_ends_a_job_at_once(tmp_path):
    here = Supervisor(str(tmp_path), {**os.environ, "OMP_NUM_THREADS": "1"}, sees_cards=False)
    ends = []
    call = pickle.dumps((executor_jobs.until_stopped, (str(tmp_path), "job")))
    running = threading.Thread(target=lambda: ends.append(here.run(call, "")))
    running.start()
    while not (tmp_path / "job.began").exists():
        running.join(0.05)
    here.kill()
    running.join()
    assert ends == [(None, -signal.SIGKILL)]
