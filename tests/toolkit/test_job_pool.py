"""The loop over a pool: what is ready goes in, what ends comes out, a stop lets jobs save, and a second one kills them."""

import pickle
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.interfaces import Job, JobEnd
from harness.process import stop
from harness.toolkit.job_pool import end_of_process, mark, run_on_cluster, run_until_over


class Pool:
    """Ends each job when it has been asked for ends so many times; a stopped job takes that long again."""

    def __init__(self, looks=1):
        self.queue, self.looks = [], looks
        self.began, self.log = {}, []

    @property
    def running(self):
        return len(self.began)

    def fill(self):
        self.began |= {job.name: (job, self.looks) for job in self.queue}
        self.queue.clear()

    def ends(self, timeout):
        self.began = {name: (job, looks - 1) for name, (job, looks) in self.began.items()}
        over = [name for name, (_, looks) in self.began.items() if looks <= 0]
        return [JobEnd(self.began.pop(name)[0], "value") for name in over]

    def stop(self):
        self.log.append("stop")
        return []

    def kill(self):
        self.log.append("kill")
        killed = [JobEnd(job, death="killed") for job, _ in self.began.values()]
        self.began.clear()
        return killed


@pytest.fixture(autouse=True)
def _no_requests():
    stop.clear()
    yield
    stop.clear()


def job(name):
    return Job(name, print, ())


def test_jobs_go_in_as_they_become_ready_and_each_end_is_told_once():
    told, batches = [], [[job("a"), job("b")], [job("c")]]

    def ready(ends):
        told.extend(end.job.name for end in ends)
        if len(told) == 3:
            return None
        return batches.pop(0) if batches and len(told) in (0, 2) else []

    pool = Pool()
    run_until_over(ready, pool)
    assert (sorted(told), pool.log) == (["a", "b", "c"], [])


@pytest.mark.parametrize(("requests", "log", "death"), [(1, ["stop"], None), (2, ["stop", "kill"], "killed")])
def test_a_stop_lets_running_jobs_save_and_a_second_one_kills_them(requests, log, death):
    told, pool = [], Pool(looks=5)

    def ready(ends):
        told.extend(ends)
        if pool.running:
            for _ in range(requests):
                stop.request()
            return []
        return [job("a")] if not told else []

    run_until_over(ready, pool)
    assert [(end.job.name, end.death) for end in told] == [("a", death)]
    assert (pool.log, pool.running) == (log, 0)


class Machines(Pool):
    """A pool on machines, of which one may be unfit."""

    def __init__(self, jobs, fault=None):
        super().__init__()
        self.queue, self.fault = jobs, fault

    def look_at_machines(self, folder):
        self.log.append(folder)
        if self.fault:
            raise UserError(self.fault)

    def close(self):
        self.log.append("close")


def of_one_job(ends):
    return None if ends else [Job("a", print, (), folder=Path("runs"))]


def test_machines_are_looked_at_before_a_job_starts_and_the_connection_is_closed():
    pools = []
    run_on_cluster(of_one_job, lambda jobs: pools.append(Machines(jobs)) or pools[0])
    assert pools[0].log == [Path("runs"), "close"]
    pools.clear()
    with pytest.raises(UserError, match="no runs folder there"):
        run_on_cluster(of_one_job, lambda jobs: pools.append(Machines(jobs, "no runs folder there")) or pools[0])
    assert pools[0].log == [Path("runs"), "close"]
    assert pools[0].began == {}


def test_without_a_job_no_cluster_is_asked_for():
    run_on_cluster(lambda _: None, lambda _: pytest.fail("connected"))


def test_the_mark_is_there_for_the_block_and_differs_each_time(tmp_path):
    with mark(tmp_path, "ray") as first, mark(tmp_path, "ray") as second:
        assert sorted(map(str, tmp_path.iterdir())) == sorted(first + second)
    assert list(tmp_path.iterdir()) == []
    with mark(None, "ray") as none:
        assert none == []


@pytest.mark.parametrize(
    ("answer", "code", "value", "death"),
    [
        (pickle.dumps((3, None)), 0, 3, None),
        (pickle.dumps((None, "ValueError: no")), 0, None, "ValueError: no"),
        (None, -9, None, "its process died: it was killed by SIGKILL (out of memory?)"),
        (b"no pickle", 0, None, "what it returned cannot be read: "),
    ],
)
def test_the_end_of_a_process_is_its_answer_or_how_it_died(answer, code, value, death):
    end = end_of_process(job("a"), answer, code)
    assert end.value == value
    assert end.death == death if death is None else end.death.startswith(death)
