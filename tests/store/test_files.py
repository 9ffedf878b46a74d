import errno
import os
from pathlib import Path

import pytest

from harness.store.files import StorageError, appearing, appearing_folder, set_aside, storage, write_text


def test_a_file_appears_whole(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with appearing(path) as scratch:
        scratch.write_text("all of it")
        assert not path.exists()
    assert path.read_text() == "all of it"
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_failure_leaves_the_old_file_and_no_scratch(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fail():
        with appearing(path) as scratch:
            scratch.write_text("half of the new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_killed_writer_leaves_the_old_file_or_the_new(tmp_path, kill_everywhere):
    path = tmp_path / "file.txt"
    write_text(path, "old " * 1000)
    seen = set()

    def check():
        assert path.read_text() in ("old " * 1000, "new " * 1000)
        seen.add(path.read_text()[:3])

    assert kill_everywhere(lambda: write_text(path, "new " * 1000), check) >= 3
    assert seen == {"old", "new"}


def test_a_killed_writer_leaves_a_whole_folder_or_none(tmp_path, kill_everywhere):
    path = tmp_path / "folder"

    def write():
        with appearing_folder(path) as scratch:
            (scratch / "one").write_text("1")
            (scratch / "two").write_text("2")

    def check():
        assert not path.exists() or {file.name: file.read_text() for file in path.iterdir()} == {"one": "1", "two": "2"}

    assert kill_everywhere(write, check) >= 5
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]  # what the killed ones left was removed


def test_a_folder_that_is_there_stays(tmp_path):
    path = tmp_path / "folder"
    for text in ("first", "second"):
        with appearing_folder(path) as scratch:
            (scratch / "file").write_text(text)
    assert (path / "file").read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(("number", "words"), [
    (errno.ENOSPC, "no room left; free some space"),
    (errno.EDQUOT, "no room left"),
    (errno.EFBIG, "no room left"),
    (errno.EACCES, "not writable; choose another folder with --runs-dir or HARNESS_RUNS"),
    (errno.EROFS, "not writable"),
    (errno.EIO, "Input/output error"),
    (errno.ENOTDIR, "a file stands where a folder must be"),
])  # fmt: skip
def test_a_disk_that_refuses_gives_one_clear_message(tmp_path, number, words):
    with pytest.raises(StorageError) as caught, storage(tmp_path / "file"):
        raise OSError(number, os.strerror(number))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'file'}: {words}")
    assert message.endswith("run again: finished work is kept")
    assert "\n" not in message


def test_what_a_plugin_raises_is_not_the_disks_fault(tmp_path):
    with pytest.raises(FileNotFoundError), appearing_folder(tmp_path / "folder"):
        Path("/there/is/no/such/file").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_damaged_files_are_set_aside_not_removed(tmp_path):
    path = tmp_path / "file"
    path.write_text("bad")
    assert set_aside(path).read_text() == "bad"
    path.write_text("bad again")
    set_aside(path)
    assert len(list(tmp_path.iterdir())) == 2
    assert not path.exists()
