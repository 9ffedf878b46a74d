"""The hash of source files: what has not changed since the last time is not read again, and every edit is found."""

import os
import time

import pytest

from harness.process import source_files


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of files that were edited long ago, as far as this process can tell."""
    folder = tmp_path / "harness_shrink"
    folder.mkdir()
    (folder / "method.py").write_text("RATE = 1\n")
    monkeypatch.setattr(source_files, "_hashed", {})
    monkeypatch.setattr(source_files, "SETTLED_NANOSECONDS", 0)
    time.sleep(0.02)  # a tick of the file system's clock
    return folder


@pytest.fixture
def reads(monkeypatch):
    counted, original = [], source_files._hash
    monkeypatch.setattr(source_files, "_hash", lambda files: counted.append(files) or original(files))
    return counted


def test_files_that_did_not_change_are_read_once(package, reads):
    assert source_files.sha256((package,)) == source_files.sha256((package,))
    assert len(reads) == 1


def test_an_edit_is_found_even_where_size_and_time_stay(package, reads):
    file = package / "method.py"
    before, status = source_files.sha256((package,)), file.stat()
    file.write_text("RATE = 2\n")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert source_files.sha256((package,)) != before
    assert len(reads) == 2


def test_a_new_file_is_found(package):
    before = source_files.sha256((package,))
    (package / "new.py").write_text("")
    assert source_files.sha256((package,)) != before


def test_files_that_were_edited_just_now_are_read_again(package, reads, monkeypatch):
    monkeypatch.setattr(source_files, "SETTLED_NANOSECONDS", 3_600 * 10**9)
    source_files.sha256((package,))
    source_files.sha256((package,))
    assert len(reads) == 2


def test_other_folders_left_out_make_another_hash(package):
    (package / "inner").mkdir()
    (package / "inner" / "steps.py").write_text("")
    assert source_files.sha256((package,)) != source_files.sha256((package,), frozenset({"inner"}))


def test_a_file_that_cannot_be_read_leaves_no_hash(package):
    (package / "gone.py").symlink_to(package / "nowhere.py")
    assert source_files.sha256((package,)) == ""
