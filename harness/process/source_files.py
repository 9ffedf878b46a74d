"""The hash over the files of source code. A process that is forked reads none again that has not changed since."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

ENDINGS = (".py", *EXTENSION_SUFFIXES, ".pyd")
"""Ends of the names of Python files and compiled extensions."""
SETTLED_NANOSECONDS = 2_000_000_000
"""A file that was changed so recently may be changed again without another time: file systems count up to two seconds as one."""


_File = tuple[str, str, int, int, int, int]
"""A file: its path from the package's parent, its path, and what the file system says of it, which differs after every edit:
inode, bytes, times of the last edit and of the last change, in nanoseconds."""
_hashed: dict[tuple[tuple[Path, ...], frozenset[str]], tuple[tuple[_File, ...], str]] = {}
"""Hashes by packages and what is left out of them, each with the files as they were. A fork has those of its parent: a cell of
a trivial board read and hashed 350 files for 15 ms."""


def sha256(packages: tuple[Path, ...], left_out: frozenset[str] = frozenset()) -> str:
    """Return the hash over the path and the content of every file; "" where there is none, or one cannot be read.

    Args:
        packages: folders, or files of modules without a package.
        left_out: names of folders of the first level.
    """
    try:
        began = time.time_ns()
        files = _files(packages, left_out)
        known_files, known = _hashed.get((packages, left_out), ((), ""))
        if known and known_files == files:
            return known
        found = _hash(files)
    except OSError:
        return ""
    if all(max(edited, changed) < began - SETTLED_NANOSECONDS for *_, edited, changed in files):
        _hashed[packages, left_out] = files, found
    return found


def _hash(files: Iterable[_File]) -> str:
    digest, count = hashlib.sha256(), 0
    for name, path, *_ in files:
        content = Path(path).read_bytes()
        if name.endswith(".py"):  # git may have converted the line ends
            content = content.replace(b"\r\n", b"\n")
        digest.update(f"{name}\0{len(content)}\0".encode(errors="surrogateescape") + content)
        count += 1
    return digest.hexdigest() if count else ""


def _files(packages: Iterable[Path], left_out: frozenset[str]) -> tuple[_File, ...]:
    """Return every Python file and compiled extension of some packages, sorted by name."""
    found: list[_File] = []
    for package in packages:
        if package.is_file():
            found.append(_file(package.name, str(package), package.stat()))
        else:
            _add_files_below(str(package), package.name, found, left_out)
    return tuple(sorted(found))


def _add_files_below(folder: str, name: str, found: list[_File], left_out: frozenset[str] = frozenset()) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(ENDINGS) and not entry.is_dir():
                found.append(_file(f"{name}/{entry.name}", entry.path, entry.stat()))
            elif entry.is_dir(follow_symlinks=False) and not _is_passed_over(entry.name, left_out):
                _add_files_below(entry.path, f"{name}/{entry.name}", found)


def _is_passed_over(folder: str, left_out: frozenset[str]) -> bool:
    return folder in left_out or folder == "__pycache__" or folder.startswith(".")


def _file(name: str, path: str, status: os.stat_result) -> _File:
    return name, path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
