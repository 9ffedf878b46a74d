"""Files of processes at work: they beat in place, are there while somebody needs them, and stay away once others took them."""

import json
import os
import threading
import time

import pytest

from harness.process.host import is_dead_here
from harness.store.workers import ROOM, this_worker


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "workers"


@pytest.fixture
def worker(folder, monkeypatch):
    monkeypatch.setenv("HARNESS_BEAT_SECONDS", "0.01")
    worker = this_worker(folder)
    yield worker
    while worker.is_used:
        worker.leave()


def content(worker):
    return json.loads(worker.path.read_text())


def until(is_true):
    deadline = time.monotonic() + 10
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert is_true()


def test_the_file_is_there_while_it_is_used(worker, folder):
    assert not folder.exists()
    worker.use()
    worker.use()
    worker.leave()
    assert content(worker)["pid"] == os.getpid()
    worker.leave()
    assert os.listdir(folder) == []
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat" and not thread.daemon]


def test_it_beats_in_place_and_keeps_what_the_process_does(worker):
    worker.use()
    inode = worker.path.stat().st_ino
    worker.tell({"job": "a"})
    before = content(worker)["beat"]
    until(lambda: content(worker)["beat"] > before + 2)
    assert content(worker)["job"] == "a"
    assert (worker.path.stat().st_ino, worker.path.stat().st_size) == (inode, ROOM)


def test_a_process_that_others_gave_up_stays_lost_and_the_next_work_is_that_of_another_one(worker, folder):
    worker.use()
    worker.leases += 1
    worker.path.rename(worker.path.with_suffix(".gone"))
    assert worker.look()
    before = worker.path.with_suffix(".gone").read_bytes()
    worker.beat()
    assert worker.path.with_suffix(".gone").read_bytes() == before
    assert this_worker(folder) is worker  # its work has not ended
    worker.leases -= 1
    another = this_worker(folder)  # a command may go on under the first id
    worker.leave()
    assert os.listdir(folder) == [worker.path.with_suffix(".gone").name]
    assert (another.id != worker.id, another.is_lost) == (True, False)


def test_the_heart_notices_by_itself(worker):
    worker.use()
    worker.path.unlink()
    until(lambda: worker.is_lost)


def test_a_folder_that_cannot_be_seen_for_a_moment_loses_nothing(worker, monkeypatch):
    worker.use()

    def refuse(path):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("os.stat", refuse)
        assert not worker.look()
    assert not worker.look()


def test_a_fork_is_another_worker_and_leaves_the_file_of_its_parent(worker, folder):
    worker.use()
    child = os.fork()
    if child == 0:
        own = this_worker(folder)
        own.use()
        os._exit(0 if own.id != worker.id and own.path.exists() else 1)
    assert os.waitpid(child, 0)[1] == 0
    (left,) = (path for path in folder.iterdir() if path != worker.path)
    assert is_dead_here(left.stem)
    assert worker.path.exists()


def test_every_user_may_read_it_whatever_the_umask_is(worker):
    before = os.umask(0o077)
    try:
        worker.use()
    finally:
        os.umask(before)
    assert oct(worker.path.stat().st_mode & 0o777) == "0o644"
