"""Settings of the executor `dask`, addresses that lead nowhere, and how jobs end in a cluster that is a fake here."""

import pickle
import socket

import pytest

from harness.errors import UserError
from harness.interfaces import Job, Resources
from harness.process import stop

pytest.importorskip("distributed", reason="needs the extra [dask]")

from harness_dask import remote
from harness_dask.cluster import Cluster
from harness_dask.executor import DaskExecutor
from harness_dask.pool import Pool
from harness_dask.settings import DaskConfig


def one_job(ends):
    return [Job("never", print, ())]


@pytest.mark.parametrize("address", ["head:8786", "tcp://10.0.0.1:8786", "tls://head:8786", "[::1]:8786", None])
def test_addresses_of_schedulers_are_taken(address):
    assert DaskConfig(address=address).address == address


@pytest.mark.parametrize(("settings", "message"), [
    ({"address": "head"}, "'head' is not HOST:PORT of a scheduler"),
    ({"address": "http://head:8787/status"}, "is not HOST:PORT"),
    ({"resources": {"GPU": 0}}, "greater than 0"),
    ({"gpus": 1}, "gpus"),
])  # fmt: skip
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        DaskConfig(**settings)


@pytest.mark.parametrize("scheme", ["", "tcp://"])
def test_an_address_where_nobody_answers_is_one_line_before_any_work(scheme):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UserError, match=f"executor dask, address {address}: nothing answers there .*; start Dask"):
        DaskExecutor(DaskConfig(address=address)).run(one_job, slots=1)


def test_a_variable_with_another_kind_of_address_is_named(monkeypatch):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "head")
    with pytest.raises(UserError, match=r"address head: not HOST:PORT of a scheduler; look at \$DASK_SCHEDULER_ADDRESS"):
        DaskExecutor(DaskConfig()).run(one_job, slots=1)


def test_no_cluster_is_started_where_nothing_is_to_do():
    DaskExecutor(DaskConfig(address="127.0.0.1:1")).run(lambda _: None, slots=1)
    stop.request()
    DaskExecutor(DaskConfig(address="127.0.0.1:1")).run(one_job, slots=1)


class FakeFuture:
    def __init__(self):
        self.status, self.done, self.outcome = "pending", [], None

    def add_done_callback(self, function):
        self.done.append(function)

    def end(self, status, outcome=None):
        self.status, self.outcome = status, outcome
        for function in self.done:
            function(self)

    def result(self):
        return self.outcome

    exception = result

    def cancel(self):
        self.end("cancelled")


class FakeCluster(Cluster):
    """Has what the pool gives it, and says which of that runs."""

    is_own = False

    def __init__(self, *workers, is_own=False):
        self.workers, self.is_own, self.futures, self.requests, self.running = workers or ({},), is_own, {}, [], set()

    def resources(self):
        return self.workers

    def submit(self, token, call, resources):
        self.requests.append(resources)
        self.futures[token] = FakeFuture()
        return self.futures[token]

    def check_connection(self):
        pass

    def stop(self, tokens):
        return self.running & set(tokens)

    def kill(self, tokens):
        self.running -= set(tokens)


@pytest.fixture
def filled():
    """A pool that has given two jobs of three to its cluster. Returns: (pool, cluster, futures)."""
    cluster = FakeCluster()
    pool = Pool(cluster, DaskConfig(), 2, [Job(name, print, ()) for name in ("a", "b", "c")])
    pool.fill()
    assert (pool.running, len(pool.queue)) == (2, 1)
    return pool, cluster, list(cluster.futures.values())


def test_jobs_end_with_their_value_or_with_a_reason(filled):
    pool, cluster, (first, second) = filled
    assert pool.ends(0.01) == []
    first.end("finished", (pickle.dumps((7, None)), 0))
    second.end("finished", (None, -9))
    ends = {end.job.name: (end.value, end.death, end.is_lost) for end in pool.ends(0.01)}
    assert ends == {"a": (7, None, False), "b": (None, "its process died: it was killed by SIGKILL (out of memory?)", False)}
    pool.fill()
    list(cluster.futures.values())[2].end("error", ModuleNotFoundError("No module named 'harness'"))
    (end,) = pool.ends(0.01)
    assert end.death == "its process did not start: ModuleNotFoundError: No module named 'harness'"


def test_a_job_whose_workers_went_away_is_lost(filled):
    from distributed import KilledWorker

    pool, _, (first, _) = filled
    first.end("error", KilledWorker("a", None, 3))
    (end,) = pool.ends(0.01)
    assert (end.is_lost, end.death) == (True, "Dask's workers went away under it, one after the other")


def test_a_scheduler_that_forgot_its_jobs_ends_the_run(filled):
    pool, _, (first, _) = filled
    first.end("cancelled")
    with pytest.raises(UserError, match="the scheduler does not know a any more; start Dask and the run again"):
        pool.ends(0.01)


def test_a_stop_forgets_what_waits_and_lets_the_rest_end(filled):
    pool, cluster, (_, second) = filled
    cluster.running = {list(cluster.futures)[1]}
    (forgotten,) = pool.stop()
    assert (forgotten.job.name, forgotten.death) == ("a", "its process died: it was stopped before its work began")
    assert (pool.running, pool.queue) == (1, [])
    second.end("finished", (pickle.dumps(("saved", None)), 0))
    assert [(end.job.name, end.value) for end in pool.ends(0.01)] == [("b", "saved")]  # and nothing of the forgotten one


def test_a_second_stop_ends_all(filled):
    pool, cluster, _ = filled
    cluster.running = set(cluster.futures)
    assert sorted(end.job.name for end in pool.kill()) == ["a", "b"]
    assert (pool.running, cluster.running) == (0, set())


@pytest.mark.parametrize(("workers", "settings", "asked", "expected"), [
    ([{}], {}, {"gpus": 2, "cpus": 4}, {}),  # the cluster says nothing of cards
    ([{"GPU": 4.0}], {}, {"gpus": 2}, {"GPU": 2}),
    ([{"GPU": 4.0}], {"resources": {"GPU": 1}}, {}, {"GPU": 1}),
    ([{"GPU": 4.0}], {"resources": {"GPU": 1, "big": 1}}, {"gpus": 2}, {"GPU": 2, "big": 1}),
    ([{"GPU": 4.0}], {}, {"gpus": 0}, {}),
])  # fmt: skip
def test_a_job_asks_for_what_workers_were_started_with(workers, settings, asked, expected):
    cluster = FakeCluster(*workers)
    pool = Pool(cluster, DaskConfig(**settings), 1, [Job("a", print, (), resources=Resources(**asked))])
    pool.fill()
    assert cluster.requests == [expected]


def test_a_job_that_no_worker_can_run_is_told_once_and_ends_the_run_on_this_machine(caplog):
    jobs = [Job(name, print, ()) for name in ("a", "b")]
    Pool(FakeCluster({"GPU": 1.0}), DaskConfig(resources={"GPU": 4}), 2, jobs).fill()
    assert caplog.messages == ["a waits for a worker with GPU 4, and the cluster has none now"]
    with pytest.raises(UserError, match="a asks for GPU 4, which processes of this machine do not have; name a cluster"):
        Pool(FakeCluster(is_own=True), DaskConfig(resources={"GPU": 4}), 2, [Job("a", print, ())]).fill()


class FakeSupervisor:
    """Notes its slot, and does something while its job runs."""

    seen = []

    def __init__(self, folder, environment, *, sees_cards, slot):
        self.slot = slot

    def run(self, call, token):
        self.seen.append(self.slot)
        if call:
            remote.run("inner", "/", {}, b"")
        return b"", 0


def test_jobs_of_one_worker_have_slots_of_their_own_and_a_stopped_one_does_not_begin(monkeypatch):
    monkeypatch.setattr(remote, "Supervisor", FakeSupervisor)
    assert remote.run("outer", "/", {}, b"inner") == (b"", 0)
    assert FakeSupervisor.seen == [0, 1]
    assert remote.stop(["later"]) == []
    assert remote.run("later", "/", {}, b"") == (None, -2)
    assert (remote._running, remote._slots) == ({}, set())
