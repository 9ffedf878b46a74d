"""Whether the owner of a lease is gone. A process of this host lives or not; of another host there is only its heartbeat.

No time of a file is compared with a clock: what counts is that nothing has changed while this process looked, again and again. A
process that was stopped between two looks has looked twice, however long it was stopped.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from harness.process.host import ProcessId
from harness.store.beats import LOOKS, beat_seconds
from harness.store.lease_files import Holding
from harness.store.workers import GONE, MODE, SUFFIX, is_own

_Stamp = tuple[int, int, int]


def workers_folder(base: Path) -> Path:
    """Return the folder with the files of the workers that hold leases beside this one."""
    return base.parent.with_name("workers")


def is_known_gone(held: Holding) -> bool:
    """Return whether one look says that the owner of a lease is gone. False: it lives, or looks over some time must tell."""
    if not held.owner:
        return False
    if (workers_folder(held.base) / f"{held.owner}{GONE}").exists():
        return True
    process = ProcessId.of(held.owner)
    if process is None or not process.is_here:
        return False
    return not process.is_alive or (process.pid == os.getpid() and not is_own(held.owner))


def is_on_another_host(held: Holding) -> bool:
    """Return whether nothing but its heartbeat says whether the owner of a lease lives."""
    process = ProcessId.of(held.owner)
    return process is None or not process.is_here


class Watch:
    """Looks at the heartbeat of a process on another host.

    Args:
        path: the file that changes while the process lives.
        mark: the file that says that it is gone; None where the process has no name.
    """

    def __init__(self, path: Path, mark: Path | None) -> None:
        self._path, self._mark = path, mark
        self._stamp: _Stamp | None = None
        self._content: bytes | None = None
        self._unchanged, self._changes = -1, 0
        self._looked = 0.0

    @classmethod
    def of_owner(cls, held: Holding) -> Watch:
        """Return the watch of the owner of a lease. Where the lease names no owner, its own file is looked at."""
        return cls.of_worker(workers_folder(held.base), held.owner) if held.owner else cls(held.path, None)

    @classmethod
    def of_worker(cls, folder: Path, worker: str) -> Watch:
        """Return the watch of a worker by its id."""
        return cls(folder / f"{worker}{SUFFIX}", folder / f"{worker}{GONE}")

    @property
    def is_due(self) -> bool:
        """Whether a beat or more has passed since the last look that counted."""
        return self._unchanged < 0 or time.monotonic() - self._looked >= beat_seconds()

    @property
    def has_changed(self) -> bool:
        """Whether the last look found another heartbeat than the look before."""
        return self._changes > 0 and self._unchanged == 0

    def look(self) -> bool:
        """Look, if it is due. Returns: whether the owner is gone."""
        if self.is_due:
            self._look()
        return self._unchanged >= LOOKS

    def _look(self) -> None:
        self._looked = time.monotonic()
        stamp = _stamp(self._path)
        if self._unchanged < 0 or stamp != self._stamp:
            self._changes += self._unchanged >= 0
            self._stamp, self._unchanged = stamp, 0
            return
        self._unchanged += 1
        if self._unchanged == 1:
            self._content = _content(self._path)
        elif self._unchanged == LOOKS and _content(self._path) != self._content:
            # A client of a network's file system may keep what it knows of a file for a minute; opening the file asks the server.
            self._unchanged = 0

    def give_up(self) -> None:
        """Mark that the owner is gone, for itself and for all others. A mark that the system refuses is no hindrance."""
        if self._mark is None:
            return
        with suppress(OSError):
            self._path.rename(self._mark)
        if not self._mark.exists():
            with suppress(OSError):
                os.close(os.open(self._mark, os.O_WRONLY | os.O_CREAT, MODE))


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _content(path: Path) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.read(handle, 2**16)
    except OSError:
        return None
    finally:
        os.close(handle)
