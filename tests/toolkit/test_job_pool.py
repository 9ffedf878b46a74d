"""The loop over a pool: what is ready goes in, what ends comes out, a stop lets jobs save, and a second one kills them."""

import pytest

from harness.interfaces import Job, JobEnd
from harness.process import stop
from harness.toolkit.job_pool import run_until_over


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
