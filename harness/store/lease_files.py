"""The file of a lease, `leases/NAME.json`, names who holds it. It appears by a link, which one process can make.

Whoever takes a lease over from an owner that is gone renames a file of its own over the owner's. An owner that wakes up finds
another file in the place of its own; so does the slower one of two that took it over at once.
"""

from __future__ import annotations

import errno
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.store.files import Damage, reading, rename, scratch_path
from harness.store.reading import open_regular
from harness.store.workers import LOST_FILE, MODE

_LARGEST = 2**12
_ENDING = ".json"
SETTLE_SECONDS = 0.02
"""Who takes a lease over looks after this time whether another process did so at the same moment."""
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@dataclass(frozen=True)
class Holding:
    """A lease that somebody holds.

    Args:
        base: the path of the lease, without the ending of its file.
        owner: the id of the worker that holds it; "" where the file does not say it.
        inode: of the file.
    """

    base: Path
    owner: str
    inode: int

    @property
    def path(self) -> Path:
        """The file."""
        return _file(self.base)

    @property
    def is_over(self) -> bool:
        """Whether the file is gone, or another one stands in its place. One look; an error of the system says no."""
        try:
            return os.stat(self.path).st_ino != self.inode
        except OSError as error:
            return error.errno in LOST_FILE

    def remove(self) -> None:
        """End the lease, unless it is another process's by now. What the system refuses to remove is taken over later."""
        with suppress(OSError):
            if (found := holder(self.base)) is not None and found == self:
                self.path.unlink(missing_ok=True)


def take(base: Path, owner: str, gone: Holding | None) -> Holding | None:
    """Take a lease that is free, or over from an owner that is gone.

    Args:
        owner: id of the worker that takes it.
        gone: what the owner has that is gone; None where the lease is free.
    Returns: None when another process was faster. Raises: OSError; StorageError.
    """
    scratch = scratch_path(_file(base))
    try:
        inode = _write(scratch, json.dumps({"owner": owner}).encode())
        taken = _appear(scratch, base, inode) if gone is None else _replace(scratch, gone, inode)
        return None if taken is None else Holding(base, owner, taken)
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def lease_name(file_name: str) -> str:
    """Return the name of the lease whose file has this name; "" for other files."""
    if file_name.startswith(".") or not file_name.endswith(_ENDING):
        return ""
    return file_name.removesuffix(_ENDING)


def _appear(scratch: Path, base: Path, inode: int) -> int | None:
    """Give a file the name of a lease, unless there is one. Returns: its inode; None where there is one. Raises: OSError."""
    try:
        os.link(scratch, _file(base))
    except OSError as error:
        # A server may have made the link and lost its answer: then the second try fails. The number of links does not lie.
        if os.stat(scratch).st_nlink > 1:
            return inode
        if error.errno == errno.EEXIST:
            return None
        if error.errno not in _NO_LINKS:
            raise
        with suppress(FileExistsError):
            return _write(_file(base), scratch.read_bytes())
        return None
    return inode


def _replace(scratch: Path, gone: Holding, inode: int) -> int | None:
    """Put a file in the place of that of an owner that is gone. Returns: see `_appear`. Raises: OSError; StorageError."""
    if holder(gone.base) != gone:
        return None
    rename(scratch, gone.path)
    time.sleep(SETTLE_SECONDS)
    return inode if not Holding(gone.base, "", inode).is_over else None


def _write(path: Path, content: bytes) -> int:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
    try:
        with suppress(OSError):  # a file system without modes
            os.fchmod(handle, MODE)
        os.write(handle, content)
        return os.fstat(handle).st_ino
    finally:
        os.close(handle)


def _file(base: Path) -> Path:
    return base.with_name(f"{base.name}{_ENDING}")


def holder(base: Path) -> Holding | None:
    """Return who holds a lease; None where nobody does. Raises: StorageError when the system refuses to say."""
    path = _file(base)
    try:
        with reading(path), open_regular(path) as file:
            content, inode = file.read(_LARGEST), os.fstat(file.fileno()).st_ino
    except Damage as damage:
        return None if isinstance(damage.__cause__, FileNotFoundError) else Holding(base, "", 0)
    try:
        owner = json.loads(content)["owner"]
    except (ValueError, KeyError, TypeError, RecursionError):
        owner = ""
    return Holding(base, owner if isinstance(owner, str) else "", inode)
