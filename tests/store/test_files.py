import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.process.host import is_dead_here
from harness.store.files import (
    Damage,
    StorageError,
    appearing,
    appearing_folder,
    reading,
    scratch_owner,
    set_aside,
    storage,
    write_text,
)


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
    left = [entry.name for entry in tmp_path.iterdir() if entry.name != "folder"]
    assert all(is_dead_here(str(scratch_owner(name))) for name in left)  # for the next run to remove


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
    (errno.EACCES, "not writable; change its permissions, or choose another folder (of runs: --runs-dir"),
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


def test_a_file_in_the_place_of_a_folder_is_to_be_moved_away(tmp_path):
    (tmp_path / "plots").write_text("by hand")
    with pytest.raises(StorageError) as caught:
        write_text(tmp_path / "plots" / "more" / "curves.png", "")
    assert f"a file stands where a folder must be; move {tmp_path / 'plots'} away" in str(caught.value)


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o027, 0o077])
def test_modes_follow_the_umask_whatever_the_writer_did(tmp_path, mask):
    before = os.umask(mask)
    try:
        with appearing(tmp_path / "a" / "file") as scratch:
            save_file({"x": torch.zeros(2)}, scratch)
        with appearing_folder(tmp_path / "a" / "folder") as scratch:
            save_file({"x": torch.zeros(2)}, scratch / "weights")
            (scratch / "text").write_text("")
        write_text(tmp_path / "a" / "text", "")
    finally:
        os.umask(before)
    for path in (tmp_path / "a").rglob("*"):
        expected = (0o777 if path.is_dir() else 0o666) & ~mask
        assert oct(path.stat().st_mode & 0o7777) == oct(expected), path


@pytest.mark.parametrize(("number", "words"), [
    (errno.EACCES, "Permission denied; ask its owner for the permission to read it, and run again"),
    (errno.EMFILE, r"Too many open files; raise the limit of open files \(ulimit -n\) and run again"),
    (errno.EIO, "Input/output error; see to the disk and run again"),
])  # fmt: skip
def test_a_file_that_the_system_refuses_to_read_is_no_damage(tmp_path, number, words):
    with pytest.raises(StorageError, match=f"^{tmp_path}: cannot be read: {words}: finished work is kept$"), reading(tmp_path):
        raise OSError(number, os.strerror(number))


def test_an_absent_file_is_damage_and_so_is_a_folder_in_its_place(tmp_path):
    for path in (tmp_path, tmp_path / "absent", tmp_path / "absent" / "file"):
        with pytest.raises(Damage), reading(path):
            path.read_bytes()


def test_a_folder_in_the_place_of_a_file_is_one_message(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(StorageError, match=f"^{tmp_path}/file: a folder stands where a file must be; move it away and run again"):
        write_text(tmp_path / "file", "")


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
