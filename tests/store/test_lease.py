import errno
import os
import signal
import threading
import time

import pytest

from harness.errors import Interrupted
from harness.process import stop
from harness.store.files import StorageError
from harness.store.lease import Busy, lease


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lease, and its id."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with lease(tmp_path / "leases" / "x.lock", wait=False):
                os.write(writing, b"!")
                time.sleep(60)
        finally:
            os._exit(0)
    assert os.read(reading, 1) == b"!"
    yield child
    os.close(reading)
    os.close(writing)
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        return


@pytest.fixture
def path(tmp_path):
    return tmp_path / "leases" / "x.lock"


def test_a_lease_has_one_holder(holder, path):
    with pytest.raises(Busy), lease(path, wait=False):
        pass
    with lease(path.with_name("y.lock"), wait=False):
        pass


def test_a_killed_holder_frees_it(holder, path):
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    with lease(path, wait=False):
        pass


def test_waiting_ends_when_it_is_free(holder, path):
    threading.Timer(0.3, os.kill, (holder, signal.SIGKILL)).start()
    began = time.monotonic()
    with lease(path, wait=True):
        assert time.monotonic() - began >= 0.2


def test_waiting_ends_when_a_stop_is_requested(holder, path):
    stop.request()
    try:
        with pytest.raises(Interrupted), lease(path, wait=True):
            pass
    finally:
        stop.clear()


def test_an_exception_frees_it(path):
    with pytest.raises(ZeroDivisionError), lease(path, wait=False):
        raise ZeroDivisionError
    with lease(path, wait=False):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
@pytest.mark.parametrize("wait", [True, False])
def test_a_file_system_without_locks_is_one_message(path, monkeypatch, number, wait):
    def refuse(handle, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(StorageError) as caught, lease(path, wait=wait):
        pass
    assert str(caught.value).startswith(f"{path}: the file system cannot lock files ({os.strerror(number)}), and two runs would")
    assert "choose another folder with --runs-dir or HARNESS_RUNS (for downloads: HARNESS_CACHE), on a local disk" in str(
        caught.value
    )


def test_any_user_may_lock_the_file_of_another(path):
    before = os.umask(0o077)
    try:
        with lease(path, wait=False):
            pass
    finally:
        os.umask(before)
    assert oct(path.stat().st_mode & 0o777) == "0o666"


def test_a_place_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "x.lock"
    with pytest.raises(StorageError, match="a file stands where a folder must be"), lease(path, wait=False):
        pass
