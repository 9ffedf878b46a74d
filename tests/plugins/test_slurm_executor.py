"""The executor `slurm` on a queue in memory: what is submitted when, and how each end of a job in the queue is told."""

import errno
import math
import operator
import os
import time
from types import SimpleNamespace

import pytest
from fake_queue import FakeQueue

from harness.errors import UserError
from harness.interfaces import Job, Resources
from harness.process import stop
from harness.stages.job_result import BUSY, FINISHED, INTERRUPTED
from harness_slurm import active, executor, submissions, submitter
from harness_slurm.call import Answer
from harness_slurm.executor import SlurmExecutor
from harness_slurm.settings import SlurmConfig

ROOT, SUM = Job("root", math.sqrt, (9.0,), key="k/root"), Job("sum", operator.add, (1, 2), key="k/sum")
RAISES = Job("raises", operator.truediv, (1, 0), key="k/raises")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(executor, "READY_SECONDS", 0.005)
    monkeypatch.setattr(active, "LATE_SECONDS", 0.0)
    monkeypatch.setattr(active, "RESULT_SECONDS", 0.0)
    stop.clear()
    yield
    stop.clear()


class Plan:
    """Hands out jobs at once, and again those that come back with a value that asks for it."""

    def __init__(self, *jobs):
        self.jobs, self.ends, self.left = list(jobs), {}, len(jobs)

    def ready(self, ends):
        for end in ends:
            if end.value == BUSY or end.is_lost:
                self.jobs.append(end.job)
            else:
                self.left -= 1
            self.ends.setdefault(end.job.name, []).append(end)
        jobs, self.jobs = self.jobs, []
        return jobs if self.left else None


@pytest.fixture
def run(tmp_path, monkeypatch):
    def run(queue, *jobs, slots=100, **settings):
        monkeypatch.setattr(executor, "queue_of", lambda *_: queue)
        plan = Plan(*jobs)
        slurm = SlurmExecutor(SlurmConfig(poll_seconds=0.01, **settings))
        slurm.take_folder(tmp_path / "runs" / "executors" / "slurm")
        slurm.run(plan.ready, slots=slots)
        return plan.ends

    return run


def end_of(ends, name="root"):
    (end,) = ends[name]
    return end


def ending(name):
    """A step after which the first job has ended with this state and no result."""
    return lambda queue: queue.set(queue.arrays[-1][0], name)


def test_jobs_go_into_one_array_and_their_values_come_back(run):
    queue = FakeQueue(lambda queue: queue.run(), lambda queue: queue.finish())
    ends = run(queue, ROOT, SUM, RAISES)
    assert queue.arrays == [["1_0", "1_1", "1_2"]]
    assert (end_of(ends).value, end_of(ends, "sum").value) == (3.0, 3)
    assert (end_of(ends, "raises").death, end_of(ends, "raises").is_lost) == ("ZeroDivisionError: division by zero", False)


def test_jobs_with_other_resources_and_those_beyond_its_size_have_an_array_of_their_own(run):
    asks = Job("asks", math.sqrt, (4.0,), resources=Resources(gpus=4, hours=12.0))
    more = [Job(f"more {number}", math.sqrt, (1.0,)) for number in range(4)]
    queue = FakeQueue(lambda queue: queue.finish())
    run(queue, ROOT, asks, *more, array_size=3)
    assert sorted(map(len, queue.arrays)) == [1, 2, 3]
    (alone,) = next(ids for ids in queue.arrays if len(ids) == 1)
    assert queue.resources[alone] == asks.resources


@pytest.mark.parametrize("limits", [{"slots": 2}, {"max_queued": 2}])
def test_no_more_jobs_are_in_the_queue_than_there_are_slots(run, limits):
    most = []

    def step(queue):
        most.append(sum(state.phase != "over" for state in queue.table.values()))
        queue.finish()

    run(FakeQueue(step), *(Job(f"job {number}", math.sqrt, (1.0,)) for number in range(5)), **limits)
    assert most == [2, 2, 1]


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "NODE_FAIL"])
def test_a_job_that_left_nothing_on_a_full_disk_is_refused_and_not_failed(run, monkeypatch, state):
    def refuse(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def step(queue):
        monkeypatch.setattr("harness_slurm.submissions.os.fsync", refuse)
        queue.set("1_0", state)

    ended = end_of(run(FakeQueue(step), ROOT))
    assert (ended.value.outcome, ended.death, ended.is_lost) == ("refused", None, False)
    assert "no room left; free some space and run again" in ended.value.message


@pytest.mark.parametrize("state", ["NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "TIMEOUT", "DEADLINE", "REVOKED"])
def test_a_job_whose_machine_went_away_is_lost_and_runs_again(run, state):
    lost, last = run(FakeQueue(ending(state), lambda queue: queue.finish()), ROOT)["root"]
    assert lost.is_lost
    assert lost.death.endswith("job 1_0")
    assert last.value == 3.0


def test_a_job_that_the_queue_forgot_is_lost(run):
    lost, _ = run(FakeQueue(lambda queue: queue.table.clear(), lambda queue: queue.finish()), ROOT)["root"]
    assert (lost.is_lost, lost.death) == (True, "the queue no longer knows its job, which left no result: job 1_0")


@pytest.mark.parametrize(("state", "reason"), [
    ("OUT_OF_MEMORY", "it took more memory than its job has; raise memory_gib: job 1_0"),
    ("CANCELLED", "somebody cancelled its job in the queue (scancel): job 1_0"),
])  # fmt: skip
def test_a_job_that_ended_by_itself_or_by_hand_is_not_tried_again(run, state, reason):
    end = end_of(run(FakeQueue(ending(state)), ROOT))
    assert (end.death, end.is_lost) == (reason, False)


def test_a_process_that_died_names_the_file_with_what_it_printed(run):
    queue = FakeQueue(ending("FAILED"))
    end = end_of(run(queue, ROOT))
    log_file = f"executors/slurm/{queue.folders['1_0'].name}/1_0_0_log.err"
    assert (end.death, end.is_lost) == (f"its process died (FAILED; {log_file} may say why): job 1_0", False)


def test_a_job_that_was_cancelled_by_hand_and_saved_its_state_counts_as_cancelled(run):
    end = end_of(run(FakeQueue(lambda queue: queue.leave("1_0", Answer(INTERRUPTED), "CANCELLED")), ROOT))
    assert "scancel" in end.death


def test_a_job_that_ended_just_before_it_was_cancelled_has_its_value(run):
    assert end_of(run(FakeQueue(lambda queue: queue.finish(name="CANCELLED")), ROOT)).value == 3.0


def test_a_result_that_a_shared_folder_shows_late_is_waited_for(run, monkeypatch):
    monkeypatch.setattr(active, "RESULT_SECONDS", 60.0)
    steps = [lambda queue: queue.set("1_0", "COMPLETED")] * 3
    assert end_of(run(FakeQueue(*steps, lambda queue: queue.finish("1_0")), ROOT)).value == 3.0


def test_a_queue_that_gives_no_answer_is_asked_again(run):
    class Silent(FakeQueue):
        answers = 0

        def states(self):
            self.answers += 1
            return None if self.answers < 3 else super().states()

    assert end_of(run(Silent(lambda queue: queue.finish()), ROOT)).value == 3.0


def test_a_job_that_the_cluster_stopped_goes_back_into_the_queue_without_a_word_to_the_run(run):
    back = Answer(INTERRUPTED, wants_restart=True)
    queue = FakeQueue(
        lambda queue: queue.leave("1_0", back), lambda queue: queue.leave("2_0", back), lambda queue: queue.finish()
    )
    assert end_of(run(queue, ROOT)).value == 3.0
    assert queue.arrays == [["1_0"], ["2_0"], ["3_0"]]


def test_a_job_goes_back_as_often_as_the_setting_says(run):
    def step(queue):
        queue.leave(queue.arrays[-1][0], Answer(INTERRUPTED, wants_restart=True))

    queue = FakeQueue(step)
    assert end_of(run(queue, ROOT, restarts=2)).value == INTERRUPTED
    assert len(queue.arrays) == 3


def test_a_job_on_which_another_run_works_is_submitted_again(run):
    answers = [BUSY, BUSY, FINISHED]
    queue = FakeQueue(lambda queue: queue.leave(queue.arrays[-1][0], Answer(answers.pop(0))))
    assert [end.value for end in run(queue, ROOT)["root"]] == [BUSY, BUSY, FINISHED]


def test_a_job_that_comes_back_waits_longer_each_time(tmp_path):
    slurm = executor._Run(SlurmConfig(cluster="local", poll_seconds=10.0), tmp_path, 1)
    now = time.monotonic()
    for returns in range(7):
        slurm._returned["root"] = returns
        slurm._wait_for([ROOT])
    delays = [moment - now for moment, _ in slurm._waiting]
    assert delays == pytest.approx([0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0], abs=2.0)


def test_a_reason_that_may_hold_jobs_for_ever_is_told_once(run, caplog):
    def wait(queue):
        queue.set("1_0", "PENDING", "PartitionTimeLimit")

    run(FakeQueue(lambda queue: queue.set("1_0", "PENDING", "Priority"), wait, wait, lambda queue: queue.finish()), ROOT)
    assert caplog.messages == ["jobs wait in the queue, and may wait for ever: PartitionTimeLimit"]


def test_a_job_that_a_machine_could_not_start_is_let_go_again(run, caplog):
    def hold(queue):
        queue.set("1_0", "PENDING", active.HELD)

    queue = FakeQueue(hold, hold, lambda queue: queue.finish())
    run(queue, ROOT)
    assert queue.orders == [("release", "1_0")], "not again before the machine had time to recover"
    assert caplog.messages == ["a machine could not start job 1_0: back into the queue"]


def test_a_job_that_no_machine_starts_is_told_in_the_end(run, caplog, monkeypatch):
    monkeypatch.setattr(active, "RELEASE_SECONDS", 0.0)

    def hold(queue):
        queue.set("1_0", "PENDING", active.HELD)

    queue = FakeQueue(*[hold] * (active.RELEASES + 2), lambda queue: queue.finish())
    run(queue, ROOT)
    assert queue.orders == [("release", "1_0")] * active.RELEASES
    assert caplog.messages[-1] == f"jobs wait in the queue, and may wait for ever: {active.HELD}"


def test_a_queue_that_takes_no_job_at_all_ends_the_run_with_its_words(run, tmp_path):
    queue = FakeQueue()
    queue.refusals = ["sbatch: error: invalid partition specified: gpuu\nsbatch: error: Batch job submission failed"]
    with pytest.raises(UserError, match=r"^executor slurm: the queue takes no jobs: .*Batch job submission failed"):
        run(queue, ROOT)
    assert os.listdir(tmp_path / "runs" / "executors" / "slurm") == []


def test_jobs_beyond_a_limit_of_the_queue_are_submitted_later(run, monkeypatch, caplog):
    monkeypatch.setattr(submitter, "REFUSED_SECONDS", 0.05)
    queue = FakeQueue(lambda queue: queue.finish())
    queue.refusals = ["", "AssocMaxSubmitJobLimit"]
    ends = run(queue, ROOT, SUM, array_size=1)
    assert (end_of(ends).value, end_of(ends, "sum").value) == (3.0, 3)
    assert "is asked again in a minute: AssocMaxSubmitJobLimit" in caplog.text


def test_a_stop_cancels_what_waits_and_lets_what_runs_save_its_state(run):
    def begin(queue):
        queue.run("1_0")
        stop.request()

    def save(queue):
        if ("interrupt", "1_0") in queue.orders:
            queue.leave("1_0", Answer(INTERRUPTED))

    queue = FakeQueue(begin, lambda _: None, save)
    ends = run(queue, ROOT, SUM)
    assert queue.orders.count(("interrupt", "1_0")) == 1
    assert end_of(ends).value == INTERRUPTED
    assert end_of(ends, "sum").death is not None
    assert len(queue.arrays) == 1


def test_a_second_request_to_stop_ends_all_jobs_at_once(run):
    def begin(queue):
        queue.run()
        stop.request()
        stop.request()

    queue = FakeQueue(begin)
    ends = run(queue, ROOT, SUM)
    assert queue.orders[-1] == ("kill", "1_0", "1_1")
    assert {end_of(ends, name).death for name in ends} == {"its process died: a second request to stop ended it"}


class _Died(BaseException):
    """The command was killed."""


def _die(queue):
    raise _Died


def test_a_second_command_finds_the_jobs_of_one_that_died_and_submits_none_again(run):
    queue = FakeQueue(_die)
    with pytest.raises(_Died):
        run(queue, ROOT, SUM)
    queue.steps = [lambda queue: queue.run(), lambda queue: queue.finish()]
    ends = run(queue, SUM, ROOT)
    assert queue.arrays == [["1_0", "1_1"]]
    assert (end_of(ends).value, end_of(ends, "sum").value) == (3.0, 3)


def test_a_job_that_ended_while_no_command_looked_is_submitted_again(run):
    queue = FakeQueue(_die)
    with pytest.raises(_Died):
        run(queue, ROOT)
    queue.finish()  # the result may be a failure, which a new run tries again
    queue.steps = [lambda _: None, lambda queue: queue.finish()]
    assert end_of(run(queue, ROOT)).value == 3.0
    assert queue.arrays == [["1_0"], ["2_0"]]


def test_what_a_command_submitted_that_died_before_it_knew_the_ids_is_cancelled(run, tmp_path, monkeypatch):
    queue = FakeQueue()
    monkeypatch.setattr(submissions.Submission, "submitted", lambda *_: _die(queue))
    with pytest.raises(_Died):
        run(queue, ROOT)
    monkeypatch.undo()
    monkeypatch.setattr(executor, "READY_SECONDS", 0.005)
    monkeypatch.setattr(active, "LATE_SECONDS", 0.0)
    plan = next((tmp_path / "runs" / "executors" / "slurm").glob("*/plan.json"))
    plan.write_text(plan.read_text().replace(f'"pid": {os.getpid()}', '"pid": 4194305'))  # above every process id
    queue.steps = [lambda _: None, lambda queue: queue.finish()]
    assert end_of(run(queue, ROOT)).value == 3.0
    assert queue.orders == [("kill", "1_0")]
    assert not plan.exists()


def test_without_an_answer_of_the_queue_nothing_is_submitted_beside_earlier_jobs(run):
    queue = FakeQueue(_die)
    with pytest.raises(_Died):
        run(queue, ROOT)
    queue.steps, queue.is_silent = [], True
    with pytest.raises(UserError, match="jobs of an earlier run may be in the queue, so try again later"):
        run(queue, ROOT)


def test_files_of_old_submissions_are_removed_and_recent_ones_stay(run, tmp_path, monkeypatch):
    queue = FakeQueue(lambda queue: queue.finish())
    run(queue, ROOT)
    run(queue, SUM)
    assert len(list((tmp_path / "runs" / "executors" / "slurm").glob("*/plan.json"))) == 2
    monkeypatch.setattr(submissions, "KEPT_SECONDS", -1.0)
    run(queue, RAISES)
    assert len(list((tmp_path / "runs" / "executors" / "slurm").glob("*/plan.json"))) == 1


def test_a_job_of_this_machine_is_not_over_before_its_process_is(tmp_path):
    """A process that is ending has no command line any more, by which the queue would know it."""
    queue, answers = FakeQueue(), [False, True]
    queue.is_remote = False
    jobs = active.Active(queue)
    jobs.jobs["7"] = active.Tracked("7", tmp_path, ROOT, SimpleNamespace(done=lambda: answers.pop(0)))
    assert list(jobs.ends()) == []
    ((tracked, end, _),) = jobs.ends()
    assert (tracked.job_id, answers, jobs.jobs) == ("7", [], {})
    assert "left no result" in end.death
