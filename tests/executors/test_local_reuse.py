"""The executor `local` with `reuse`: one process does job after job, and one that a job leaves changed ends with that job."""

import itertools
import logging
import os

import pytest
from local_jobs import Plan, python

from harness.interfaces import Job
from harness.process import stop
from harness.testing import executor_jobs
from harness_local.executor import LocalExecutor
from harness_local.settings import LocalConfig

PLACE = "(os.getpid(), str(torch.zeros(1).dtype), torch.is_grad_enabled(), torch.randn is None, os.getcwd() == '/')"
CHANGES = {
    "torch's default dtype (torch.float32, now torch.float64)": "torch.set_default_dtype(torch.float64)",
    "whether gradients are on (torch.set_grad_enabled) (True, now False)": "torch.set_grad_enabled(False)",
    "torch.randn": "setattr(torch, 'randn', None)",
    "os.replace": "setattr(os, 'replace', None)",
    "time.sleep": "setattr(time, 'sleep', None)",
    "torch.nn.Linear.forward": "setattr(torch.nn.Linear, 'forward', None)",
    "the working directory": "os.chdir('/')",
    "the environment variable LEFT": "os.environ.update(LEFT='1')",
    "sys.path": "sys.path.append('/')",
    "the handler of SIGUSR2": "signal.signal(signal.SIGUSR2, signal.SIG_IGN)",
    "the thread listener, which runs on": "__import__('threading').Thread(target=time.sleep, args=(600,), daemon=True, "
    "name='listener').start()",
}


@pytest.fixture(autouse=True)
def _no_stop_request():
    stop.clear()
    yield
    stop.clear()


@pytest.fixture(scope="module")
def messages():
    """Warnings of the executor, in their order."""
    return []


@pytest.fixture(scope="module")
def ends(messages):
    """The ends of many jobs in their order, one at a time: starting a server takes seconds."""
    jobs = [Job("alive", os.getpid, ()), python("first", PLACE), python("draws", "torch.randn(3)", "torch.initial_seed()")]
    for number, line in enumerate(CHANGES.values()):
        jobs += [python(f"change {number}", line, "os.getpid()"), python(f"after {number}", PLACE)]
    jobs += [python("draws again", "torch.initial_seed()"), python("raises", "1 / 0"), python("after raises", PLACE)]
    jobs += [
        python("terminated", "os.kill(os.getpid(), signal.SIGTERM)", "os.getpid()"),
        python("not told", "stop.is_requested()"),
    ]
    jobs += [Job("dies", executor_jobs.die_with, (1,)), python("last", PLACE)]
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logging.getLogger("harness_local.pool").addHandler(handler)
    plan = Plan(jobs[0], then={job.name: [later] for job, later in itertools.pairwise(jobs)})
    try:
        LocalExecutor(LocalConfig(reuse=True)).run(plan.ready, slots=1)
    finally:
        logging.getLogger("harness_local.pool").removeHandler(handler)
    return {end.job.name: end for end in plan.ends}


def test_jobs_that_leave_nothing_share_a_process(ends):
    assert ends["alive"].value == ends["first"].value[0]
    assert ends["after raises"].value[0] == ends[f"after {len(CHANGES) - 1}"].value[0], "an exception changes nothing"


@pytest.mark.parametrize("number", range(len(CHANGES)), ids=list(CHANGES))
def test_what_a_job_leaves_changed_is_named_and_reaches_no_other_job(ends, messages, number):
    change = list(CHANGES)[number]
    assert ends[f"change {number}"].death is None
    assert f"change {number} left its process changed, which ends with it: {change}" in messages
    assert ends[f"after {number}"].value[0] != ends[f"change {number}"].value, "a fresh process"
    assert ends[f"after {number}"].value[1:] == ends["first"].value[1:] == ("torch.float32", True, False, False)


def test_nothing_else_is_named(ends, messages):
    assert ends
    assert len(messages) == len(CHANGES)


def test_global_generators_are_seeded_anew_for_each_job(ends):
    assert ends["draws"].value != ends["draws again"].value


def test_a_process_that_was_told_to_stop_or_died_takes_no_other_job(ends):
    assert ends["not told"].value is False
    assert ends["dies"].death == "its process died: it ended with exit code 1"
    assert ends["last"].death is None


def test_slots_work_side_by_side_in_processes_of_their_own():
    nap = "(time.sleep(1), os.getpid())[-1]"
    plan = Plan(*(python(f"job {number}", nap) for number in range(4)))
    LocalExecutor(LocalConfig(reuse=True)).run(plan.ready, slots=2)
    assert len({end.value for end in plan.ends}) == 2


def test_without_reuse_each_job_has_a_fresh_process():
    assert LocalConfig().reuse is False
