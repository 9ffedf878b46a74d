"""The local executor: jobs side by side, a fresh process for each; what a job does to its process reaches no other job."""

import itertools
import multiprocessing
import operator
import os
import time
from types import SimpleNamespace

import psutil
import pytest
from local_jobs import Plan, python
from run_processes import servers_of

from harness.errors import UserError
from harness.interfaces import Job
from harness.process import stop
from harness.testing import executor_jobs
from harness_local import server
from harness_local.executor import LocalExecutor
from harness_local.settings import LocalConfig

# Workers import what jobs name, and test modules cannot be imported there: these are functions of Python and of the harness.
ALIVE = Job("alive", os.getpid, ())
RAISES = Job("raises", operator.truediv, (1, 0))
EXITS = Job("exits", executor_jobs.exit_with, (3,))
DIES = Job("dies", executor_jobs.die_with, (1,))


STATE = (
    "(str(torch.zeros(1).dtype), torch.randn is None, torch.is_grad_enabled(), torch.initial_seed() == 3,"
    " os.environ['THREADS'], os.getcwd())"
)
SPOILS = python(
    "spoils",
    "torch.set_default_dtype(torch.float64)",
    "setattr(torch, 'randn', None)",
    "torch.set_grad_enabled(False)",
    "torch.manual_seed(3)",
    "os.environ.update(THREADS='7')",
    "os.chdir('/')",
)
IMPORTS = "xml.dom.expatbuilder", "wsgiref.types"
MODULES = {
    "doubles": "import torch\ntorch.set_default_dtype(torch.float64)\n",
    "exits_at_import": "raise SystemExit(5)\n",
    "skips_resets": "import torch\ntorch.nn.Linear.reset_parameters = lambda self: None\n",
    "sets_threads": "import os\nos.environ['THREADS'] = '3'\n",
    "adds_one": (
        "import threading, queue\nquestions, answers = queue.Queue(), queue.Queue()\n"
        "def work():\n    while True: answers.put(questions.get() + 1)\n"
        "threading.Thread(target=work, daemon=True).start()\n"
    ),
}
"""Modules of plugins, of which most do what they must not when they are imported."""
RESETS, THREADS_VARIABLE = "torch.nn.Linear.reset_parameters.__module__", "os.environ['THREADS']"
DRAWS = "(__import__('numpy').random.rand(), __import__('random').random(), torch.initial_seed())"


@pytest.fixture(autouse=True)
def _no_stop_request():
    stop.clear()
    yield
    stop.clear()


def run(plan, slots):
    LocalExecutor(LocalConfig()).run(plan.ready, slots=slots)
    return {end.job.name: end for end in plan.ends}


def semaphores():
    return {name for name in os.listdir("/dev/shm") if name.startswith("sem.mp-")} if os.path.isdir("/dev/shm") else set()


def servers():
    """The children of this process that run `harness_local.server`."""
    return servers_of(psutil.Process())


def wait_until(holds, seconds=20):
    """Wait until a condition holds; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"did not come true in {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """The ends of many jobs in their order, one at a time: starting a server takes seconds."""
    folder = tmp_path_factory.mktemp("modules")
    for name, code in MODULES.items():
        (folder / f"{name}.py").write_text(code)
    asks = ["module := __import__('adds_one')", "module.questions.put(1)", "module.answers.get(timeout=20)"]
    kill = "os.kill(os.getpid(), {})"
    jobs = [
        ALIVE, RAISES, EXITS, DIES,
        python("state", STATE), SPOILS, python("state after", STATE),
        python("imports", f"__import__('{IMPORTS[0]}')", "0"),
        python("finds imported", f"'{IMPORTS[0]}' in sys.modules"),
        python("finds declared", f"'{IMPORTS[1]}' in sys.modules", imports=(IMPORTS[1],)),
        python("exits at import", "__import__('exits_at_import')", imports=("exits_at_import",)),
        python("terminated", kill.format("signal.SIGTERM"), "stop.is_requested()"),
        python("interrupted", kill.format("signal.SIGINT"), "stop.is_requested()"),
        python("not told", "stop.is_requested()"),
        python("killed", kill.format("signal.SIGKILL")),
        python("doubles", "__import__('doubles')", "str(torch.zeros(1).dtype)", imports=("doubles",)),
        python("single", "str(torch.zeros(1).dtype)"),
        python("skips resets", "__import__('skips_resets')", RESETS, imports=("skips_resets",)),
        python("resets", RESETS),
        python("sets threads", "__import__('sets_threads')", THREADS_VARIABLE, imports=("sets_threads",)),
        python("has threads", THREADS_VARIABLE),
        python("asks a thread", *asks, imports=("adds_one",)),
        python("asks again", *asks, imports=("adds_one",)),
        python("draws", DRAWS), python("draws again", DRAWS),
        Job("last", os.getpid, ()),
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(folder))  # workers get the path of this process
        patched.setenv("THREADS", "1")
        return run(Plan(jobs[0], then={job.name: [later] for job, later in itertools.pairwise(jobs)}), slots=1)


def test_jobs_end_in_the_order_in_which_they_were_given_whatever_they_do(ends):
    assert list(ends)[:4] == ["alive", "raises", "exits", "dies"]
    assert ends["raises"].death == "ZeroDivisionError: division by zero"
    assert ends["exits"].death == "SystemExit: 3"
    assert ends["dies"].death == "its process died: it ended with exit code 1"
    assert ends["killed"].death == "its process died: it was killed by SIGKILL (out of memory?)"
    assert ends["last"].death is None


def test_each_job_has_a_process_of_its_own(ends):
    assert len({os.getpid(), ends["alive"].value, ends["last"].value}) == 3


def test_what_a_job_does_to_its_process_reaches_no_other_job(ends):
    assert ends["spoils"].death is None
    assert ends["state after"].value == ends["state"].value
    assert ends["state"].value[:4] == ("torch.float32", False, True, False)


def test_a_job_starts_with_what_earlier_jobs_imported_and_with_what_it_declares(ends):
    assert ends["finds imported"].value is True
    assert ends["finds declared"].value is True


def test_a_module_that_cannot_be_imported_is_a_fault_of_its_own_jobs(ends):
    assert ends["exits at import"].death == "SystemExit: 5"


def test_a_package_that_changes_torch_when_it_is_imported_reaches_no_other_job(ends):
    assert ends["doubles"].value == "torch.float64"
    assert ends["single"].value == "torch.float32"


def test_a_package_that_patches_a_class_of_networks_when_it_is_imported_reaches_no_other_job(ends):
    assert ends["skips resets"].value == "skips_resets"
    assert ends["resets"].value == "torch.nn.modules.linear"


def test_an_environment_variable_that_a_package_sets_reaches_no_other_job(ends):
    assert ends["sets threads"].value == "3"
    assert ends["has threads"].value == "1"


def test_a_package_that_starts_a_thread_has_it_in_every_job(ends):
    assert [(ends[name].value, ends[name].death) for name in ("asks a thread", "asks again")] == [(2, None), (2, None)]


def test_global_generators_of_two_jobs_are_those_of_two_processes(ends):
    first, second = ends["draws"].value, ends["draws again"].value
    assert all(map(operator.ne, first, second)), "NumPy, Python and torch seed them from the system at their start"


def test_what_is_printed_in_workers_goes_to_stderr_and_not_between_the_results(tmp_path, monkeypatch, capfd):
    (tmp_path / "prints.py").write_text("print('at import', flush=True)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    ends = run(Plan(python("prints", "print('in a job', flush=True)", imports=("prints",))), slots=1)
    assert ends["prints"].death is None
    out, err = capfd.readouterr()
    assert out == ""
    assert "at import" in err
    assert "in a job" in err


def test_a_signal_to_a_worker_is_a_request_to_stop_there_and_nowhere_else(ends):
    assert ends["terminated"].value is True
    assert ends["interrupted"].value is True
    assert ends["not told"].value is False
    assert not stop.is_requested()


def test_slots_work_side_by_side_and_leave_no_process_and_no_semaphore_behind():
    before = semaphores()
    naps = [Job(f"nap {number}", time.sleep, (3.0,)) for number in range(4)]
    plan, most = Plan(*naps), []
    ready = plan.ready

    def watching(ends):
        most.append(sum(len(server.children()) for server in servers()))
        return ready(ends)

    plan.ready = watching
    ends = run(plan, slots=2)
    assert set(ends) == {job.name for job in naps}
    assert all(end.death is None for end in ends.values())
    assert max(most) == 2
    assert servers() == []
    wait_until(lambda: not semaphores() - before)  # others on this machine come and go


def test_after_a_stop_request_nothing_is_started():
    stop.request()
    plan = Plan(ALIVE)
    run(plan, slots=1)
    assert plan.ends == []


def test_a_stop_request_waits_for_what_has_a_state_to_save_and_kills_the_rest(tmp_path):
    enters = "block := stop.saves_state()", "block.__enter__()", f"open({str(tmp_path / 'entered')!r}, 'w').close()"
    saves = python("saves", *enters, "time.sleep(4)", "stop.is_requested()")
    plan, asked = Plan(saves, Job("idle", time.sleep, (600,))), []
    ready = plan.ready

    def stopping(ends):
        jobs = ready(ends)
        if not asked and (tmp_path / "entered").exists() and sum(len(server.children()) for server in servers()) == 2:
            asked.append(time.monotonic())
            stop.request()
        return jobs

    plan.ready = stopping
    ends = run(plan, slots=2)
    assert ends["saves"].value is True
    assert "killed by SIGKILL" in ends["idle"].death
    assert time.monotonic() - asked[0] < 60


def test_a_second_request_ends_running_jobs_at_once_and_hands_their_ends_over():
    plan, asked = Plan(python("endless", "block := stop.saves_state()", "block.__enter__()", "time.sleep(600)")), []
    ready = plan.ready

    def impatient(ends):
        jobs = ready(ends)
        if not asked and any(server.children() for server in servers()):
            asked.append(time.monotonic())
            stop.request()
            stop.request()
        return jobs

    plan.ready = impatient
    ends = run(plan, slots=1)
    # The word of a server that it is ready may still be under way when its first child can be seen.
    reasons = ("a second request to stop ended it", "it was stopped before its work began")
    assert ends["endless"].death in [f"its process died: {reason}" for reason in reasons]
    assert time.monotonic() - asked[0] < 60


def test_jobs_of_a_killed_fork_server_get_another_one_and_a_line_says_so(caplog):
    plan, killed = Plan(Job("nap", time.sleep, (1.0,))), []
    ready = plan.ready

    def killing(ends):
        for fork_server in servers() if not killed else []:
            if fork_server.children():
                killed.append(fork_server)
                fork_server.kill()
        return ready(ends)

    plan.ready = killing
    ends = run(plan, slots=1)
    assert killed
    assert ends["nap"].death is None
    assert caplog.messages == ["nap: its fork server was killed by SIGKILL (out of memory?); the job starts again"]


def test_a_fork_server_that_cannot_start_ends_the_run_with_one_line(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise MemoryError('no room')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match=r"^executor local: no process for jobs can be started: .*"):
        run(Plan(ALIVE), slots=1)
    assert servers() == []


def test_nothing_to_do_starts_no_process():
    calls = []
    LocalExecutor(LocalConfig()).run(lambda ends: calls.append(ends), slots=3)
    assert calls == [[]]


def test_a_fork_server_whose_command_was_killed_ends_without_a_word(monkeypatch):
    ours, its_end = multiprocessing.Pipe()
    ours.close()
    monkeypatch.setattr(server, "os", SimpleNamespace(dup2=lambda *_: None))
    monkeypatch.setattr(server, "signal", SimpleNamespace(signal=lambda *_: None))
    monkeypatch.setattr(server._Server, "warm_up", lambda _: None)
    server.serve(its_end, frozenset())


def test_jobs_that_run_at_once_have_slots_of_their_own_and_so_cards():
    slot = "(time.sleep(1), __import__('harness.process.devices').process.devices.slot())[-1]"
    ends = run(Plan(*(python(f"job-{number}", slot) for number in range(4))), slots=2)
    taken = [ends[f"job-{number}"].value for number in range(4)]
    assert sorted(taken[:2]) == [0, 1]  # began together, on two cards
    assert set(taken) == {0, 1}
