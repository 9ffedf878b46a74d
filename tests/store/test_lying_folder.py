"""The store on a folder that lies about renames and links, or shows late what others did: at worst, work is done twice."""

import os
import threading
import time

import pytest
from lying_folder import LyingFolder

from harness.errors import Interrupted
from harness.process import stop
from harness.process.host import VARIABLE
from harness.store import beats, lease_files, leftovers, outputs
from harness.store.files import StorageError, appearing_folder, remove_folder, set_aside, write_text
from harness.store.lease import Busy, Lost, check_held, lease
from harness.store.lease_files import holder
from harness.store.runs_folder import RunsFolder

BEAT = 0.05


@pytest.fixture(autouse=True)
def fast_beats(monkeypatch):
    monkeypatch.setenv(beats.VARIABLE, str(BEAT))


@pytest.fixture
def lying(tmp_path):
    with LyingFolder(tmp_path, every=1).stand_between() as folder:
        yield folder


@pytest.fixture
def late(tmp_path):
    with LyingFolder(tmp_path, delay=0.3).stand_between() as folder:
        yield folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fill(path, text):
    with appearing_folder(path) as scratch:
        (scratch / "file").write_text(text)


def test_renames_that_seem_to_fail_have_happened(tmp_path, lying):
    write_text(tmp_path / "file", "first")
    write_text(tmp_path / "file", "second")
    fill(tmp_path / "folder", "first")
    fill(tmp_path / "folder", "second")
    assert ((tmp_path / "file").read_text(), (tmp_path / "folder" / "file").read_text()) == ("second", "first")
    aside = set_aside(tmp_path / "folder")
    remove_folder(aside)
    assert names(tmp_path) == ["file"]
    assert lying.lies == 5


def test_a_rename_that_failed_is_told(tmp_path, lying):
    with pytest.raises(StorageError, match="No such file"):
        set_aside(tmp_path / "nothing")
    assert lying.lies == 0


def test_a_link_that_seems_to_fail_has_made_the_lease(tmp_path, lying):
    path = tmp_path / "leases" / "x"
    with lease(path, wait=False):
        assert lying.lies == 1
        with pytest.raises(Busy), lease(path, wait=False):
            pass
    assert names(path.parent) == []


def test_a_lease_is_taken_over_although_the_rename_seems_to_fail(tmp_path, lying):
    path = tmp_path / "leases" / "x"
    child = os.fork()
    if child == 0:
        held = lease(path, wait=False)
        held.__enter__()
        os._exit(0)
    os.waitpid(child, 0)
    with lease(path, wait=False):
        assert lying.lies == 2 - 1  # the link was the child's
    assert names(path.parent) == []


def in_forks(number, work):
    """Do some work at once in processes of several hosts, each of which has its own view of the folder."""
    children = []
    for host in range(number):
        child = os.fork()
        if child == 0:
            try:
                os.environ[VARIABLE] = f"host {host}"
                work(host)
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * number


@pytest.mark.parametrize("fault", ["lying", "late"])
def test_hosts_that_want_the_same_output_at_once_have_it_whole(tmp_path, request, fault):
    request.getfixturevalue(fault)
    runs = RunsFolder(tmp_path)

    def make(folder):
        time.sleep(0.1)
        (folder / "file").write_text("the same bits")
        return {"seconds": 1}

    def work(host):
        while True:
            try:
                output = outputs.once(runs, "base", "0123", make)
                break
            except Lost:
                continue
        assert (output.folder / "file").read_text() == "the same bits"
        assert outputs.read(output.folder).facts == {"seconds": 1}

    in_forks(4, work)
    leftovers.remove(runs)
    assert names(tmp_path / "stages" / "base") == ["0123"]
    assert names(tmp_path / "leases") == []


def test_who_sees_a_heartbeat_late_does_not_take_it_for_silence(tmp_path, late, monkeypatch):
    path = tmp_path / "leases" / "x"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.environ[VARIABLE] = "there"
        with lease(path, wait=False):
            os.write(writing, b"!")
            time.sleep(60)
    assert os.read(reading, 1) == b"!"
    monkeypatch.setenv(VARIABLE, "here")
    threading.Timer(1.5, stop.request).start()
    try:
        with pytest.raises(Interrupted), lease(path, wait=True):
            pass  # a look is kept for longer than all the beats that may fail to come
    finally:
        stop.clear()
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert holder(path) is not None


def test_who_hears_late_that_a_lease_is_lost_has_done_the_same_work_twice_and_no_harm(tmp_path, late):
    runs = RunsFolder(tmp_path)
    path, late.delay = runs.lease("base", "0123"), 60.0

    def make(folder):
        (folder / "file").write_text("the same bits")
        return {"host": os.environ.get(VARIABLE, "")}

    def slow(folder):
        check_held()  # this look is kept
        in_forks(1, lambda _: take_over_and_make())
        return make(folder)

    def take_over_and_make():
        late.delay = 0.0
        assert lease_files.take(path, "another", holder(path))
        path.with_name(f"{path.name}.json").unlink()
        outputs.once(runs, "base", "0123", make)

    made = outputs.once(runs, "base", "0123", slow)
    assert (made.facts, made.is_fresh) == ({"host": "host 0"}, False)
    assert names(made.folder.parent) == ["0123"]
    assert names(path.parent) == []
