import errno
import json
import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest
from lease_holders import Holders

from harness.errors import Interrupted
from harness.process import stop
from harness.process.host import VARIABLE
from harness.store import beats, lease_files
from harness.store.files import StorageError, appearing_folder, remove_folder, set_aside, write_text
from harness.store.lease import Busy, Lost, check_held, is_any_lost, lease
from harness.store.lease_files import holder
from harness.store.observing import Watch
from harness.store.workers import this_worker

BEAT = 0.05
GONE = beats.LOOKS * BEAT
"""Seconds after which another host may hold an owner for gone."""


@pytest.fixture(autouse=True)
def fast_beats(monkeypatch):
    monkeypatch.setenv(beats.VARIABLE, str(BEAT))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "leases" / "x"


@pytest.fixture
def on_host(monkeypatch):
    """Make this process one of a host of this name."""

    def become(name):
        monkeypatch.setenv(VARIABLE, name)

    return become


@pytest.fixture
def hold(path):
    """Start a process that holds the lease, on this host or on another one. Returns: its id."""
    holders = Holders()
    yield lambda host=None: holders.start(path, host)
    holders.end()


def kill(child):
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def assert_free(path):
    with lease(path, wait=False):
        pass


def test_a_lease_has_one_holder(hold, path):
    hold()
    with pytest.raises(Busy), lease(path, wait=False):
        pass
    assert_free(path.with_name("y"))


def test_a_lease_that_ended_leaves_nothing(path, tmp_path):
    with lease(path, wait=False):
        assert [file.name for file in path.parent.iterdir()] == ["x.json"]
        assert json.loads((path.parent / "x.json").read_text()) == {"owner": this_worker(tmp_path / "workers").id}
    assert [list(folder.iterdir()) for folder in (path.parent, tmp_path / "workers")] == [[], []]


def test_a_thread_of_the_holder_is_another_one(path):
    ends = []

    def other():
        try:
            assert_free(path)
        except Busy as busy:
            ends.append(busy)

    with lease(path, wait=False):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(ends) == 1


def test_a_killed_holder_of_this_host_frees_it_at_once(hold, path, tmp_path):
    child = hold()
    kill(child)
    with lease(path, wait=False):
        assert [file.name for file in path.parent.iterdir()] == ["x.json"]
    assert not list(path.parent.iterdir())


def test_a_holder_that_is_no_more_than_a_zombie_frees_it(hold, path):
    child = hold()
    os.kill(child, signal.SIGKILL)
    with lease(path, wait=True):  # nobody has waited for the child
        pass


def test_a_stopped_holder_of_this_host_keeps_it(hold, path):
    os.kill(hold(), signal.SIGSTOP)
    time.sleep(2 * GONE)
    with pytest.raises(Busy), lease(path, wait=False):
        pass


def test_waiting_ends_when_it_is_free(hold, path):
    threading.Timer(0.3, kill, (hold(),)).start()
    began = time.monotonic()
    with lease(path, wait=True):
        assert time.monotonic() - began >= 0.2


def test_waiting_ends_when_a_stop_is_requested(hold, path):
    hold()
    stop.request()
    try:
        with pytest.raises(Interrupted), lease(path, wait=True):
            pass
    finally:
        stop.clear()


def test_an_exception_frees_it(path):
    with pytest.raises(ZeroDivisionError), lease(path, wait=False):
        raise ZeroDivisionError
    assert_free(path)


def test_a_fork_of_the_holder_leaves_it_alone(path):
    with lease(path, wait=False):
        child = os.fork()
        if child == 0:
            try:
                assert not is_any_lost()
                with pytest.raises(Busy), lease(path, wait=False):
                    pass
            except BaseException:
                os._exit(1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        check_held()


def test_a_living_holder_of_another_host_keeps_it(hold, path, on_host):
    hold("there")
    on_host("here")
    with pytest.raises(Busy), lease(path, wait=False):
        pass
    threading.Timer(3 * GONE, stop.request).start()
    with pytest.raises(Interrupted), lease(path, wait=True):
        pass


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_a_silent_holder_of_another_host_loses_it_after_some_beats(hold, path, on_host, signum):
    child = hold("there")
    owner = holder(path).owner
    on_host("here")
    os.kill(child, signum)
    began = time.monotonic()
    with lease(path, wait=True):
        assert time.monotonic() - began >= GONE
        assert holder(path).owner == this_worker(path.parent.with_name("workers")).id
    assert (path.parent.with_name("workers") / f"{owner}.gone").exists()
    assert_free(path)


def test_who_was_given_up_by_one_process_is_gone_for_all_at_once(hold, path, on_host):
    os.kill(hold("there"), signal.SIGSTOP)
    owner = holder(path).owner
    on_host("here")
    workers = path.parent.with_name("workers")
    (workers / f"{owner}.json").rename(workers / f"{owner}.gone")
    assert_free(path)


def take_over_as_another_host(path):
    """Let a process of another host take the lease over, without looking for long, and die with it."""
    child = os.fork()
    if child == 0:
        os.environ[VARIABLE] = "another"
        worker = this_worker(path.parent.with_name("workers"))
        worker.use()
        os._exit(0 if lease_files.take(path, worker.id, holder(path)) else 1)
    assert os.waitpid(child, 0)[1] == 0


@contextmanager
def lost_lease(path):
    with lease(path, wait=False):
        take_over_as_another_host(path)
        yield


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: write_text(folder / "file", "text"),
        lambda folder: fill(folder / "folder"),
        lambda folder: set_aside(folder / "there"),
        lambda folder: remove_folder(folder / "there"),
    ],
)
def test_who_lost_a_lease_writes_renames_and_removes_nothing(path, tmp_path, write):
    (tmp_path / "there").mkdir()
    with pytest.raises(Lost), lost_lease(path):
        write(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"there", "leases", "workers"}
    assert ("another" in os.environ.get(VARIABLE, ""), is_any_lost()) == (False, False)
    assert holder(path).owner != this_worker(tmp_path / "workers").id


def fill(folder):
    with appearing_folder(folder) as scratch:
        (scratch / "file").write_text("text")


def test_the_fault_of_a_job_whose_lease_is_lost_is_that_it_is_lost(path):
    with pytest.raises(Busy), lost_lease(path):
        raise FileNotFoundError("a file that the other process has removed")


def test_who_was_given_up_is_told_to_stop_and_is_another_worker_afterwards(path, on_host):
    on_host("here")
    worker = this_worker(path.parent.with_name("workers"))

    def work():
        with lease(path, wait=False), stop.also_when(is_any_lost):
            worker.path.rename(worker.path.with_suffix(".gone"))
            for _ in range(1000):  # the heart notices
                stop.check()
                time.sleep(0.01)

    with pytest.raises(Lost):
        work()
    assert not stop.is_requested()
    assert this_worker(worker.path.parent) is not worker
    assert_free(path)


def test_an_observer_that_was_stopped_does_not_take_the_gap_for_silence(hold, path, on_host, monkeypatch):
    child = hold("there")
    on_host("here")
    os.kill(child, signal.SIGSTOP)  # for the length of one beat and some looks of an observer whose clock jumps
    now = [0.0]
    monkeypatch.setattr("harness.store.observing.time.monotonic", lambda: now[0])
    held = holder(path)
    assert held
    watch = Watch.of_owner(held)
    for _ in range(beats.LOOKS):
        assert not watch.look()
        now[0] += 3600
    os.kill(child, signal.SIGCONT)
    time.sleep(5 * BEAT)
    assert not watch.look()  # it has beaten


def test_no_clock_but_the_observers_own_matters(hold, path, on_host, monkeypatch):
    hold("there")
    on_host("here")
    monkeypatch.setattr("time.time", lambda: 0.0)
    workers = path.parent.with_name("workers")
    for file in workers.iterdir():
        os.utime(file, (0, 0))  # until the next beat
    threading.Timer(2 * GONE, stop.request).start()
    with pytest.raises(Interrupted), lease(path, wait=True):
        pass


def test_a_lease_without_an_owner_in_its_file_is_taken_over_after_some_beats(path):
    path.parent.mkdir()
    path.with_name("x.json").write_bytes(b"")
    with pytest.raises(Busy), lease(path, wait=False):
        pass
    with lease(path, wait=True):
        assert holder(path).owner
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_links(path, monkeypatch, number):
    def refuse(source, target):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.link", refuse)
    with lease(path, wait=False):
        with pytest.raises(Busy), lease(path, wait=False):
            pass
        assert [file.name for file in path.parent.iterdir()] == ["x.json"]
    assert not list(path.parent.iterdir())


def test_every_user_may_see_who_holds_it(path):
    before = os.umask(0o077)
    try:
        with lease(path, wait=False):
            assert oct(path.with_name("x.json").stat().st_mode & 0o777) == "0o644"
    finally:
        os.umask(before)


def test_a_place_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a file stands where a folder must be"), lease(tmp_path / "file" / "x", wait=False):
        pass


def test_many_processes_want_it_at_once_and_each_has_it_alone(path, tmp_path):
    count = tmp_path / "count"
    count.write_text("0")
    children = []
    for number in range(8):
        child = os.fork()
        if child == 0:
            os.environ[VARIABLE] = f"host {number % 3}"
            for _ in range(5):
                with lease(path, wait=True):
                    before = int(count.read_text())
                    time.sleep(0.002)
                    count.write_text(str(before + 1))
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 8
    assert count.read_text() == "40"
