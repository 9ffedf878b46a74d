"""The file of a process that works in a folder: its heartbeat, and what it does.

```
workers/ID.json    rewritten at each beat while the process works: who it is, a number that grows, what it does
workers/ID.gone    the same file, renamed by another process that found it unchanged for several beats
```

A process whose file has been renamed has been given up: it has lost all its leases, even when it goes on now.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from harness.process import host
from harness.process.host import ProcessId
from harness.process.worker import job_id
from harness.store.beats import beat_seconds, is_shared

SUFFIX, GONE = ".json", ".gone"
"""The endings of the files of processes that work, and of those that others have given up."""
ROOM = 1024
"""Bytes of a file at its start: a heartbeat then needs no room that a full disk does not have."""
MODE = 0o644
"""Everybody who shares the folder must be able to see whether a process lives, whatever its umask says."""
LOST_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
"""Error numbers which say that a file is not at its path."""
_WHOLE_AT_ONCE = getattr(os, "RWF_DSYNC", 0)


class Worker:
    """This process as it works in one folder. Its file is there while somebody uses it: see `use` and `leave`.

    Args:
        folder: the folder of such files.
    """

    def __init__(self, folder: Path) -> None:
        self.id = str(ProcessId.new())
        self.path = folder / f"{self.id}{SUFFIX}"
        self.is_lost = False
        """Whether another process has given this one up. It stays so."""
        self.leases = 0
        """How many leases name it as their owner."""
        self._lock = threading.RLock()
        self._uses = 0
        self._handle: int | None = None
        self._over = threading.Event()
        self._content: Mapping[str, object] = {}
        self._beat = self._length = 0

    @property
    def is_used(self) -> bool:
        """Whether the file is there for somebody."""
        return self._uses > 0

    def use(self) -> None:
        """Make the file, if it is not there, and keep it until `leave` is called as often. Raises: OSError."""
        with self._lock:
            if not self._uses:
                self._begin()
            self._uses += 1

    def leave(self) -> None:
        """End one use. The last one removes the file."""
        with self._lock:
            self._uses -= 1
            if not self._uses:
                self._end()

    def tell(self, content: Mapping[str, object]) -> None:
        """Write what the process does now. A write that fails never stops the work."""
        with self._lock:
            self._content = content
            if self._handle is not None:
                with suppress(OSError):
                    self._write(at_once=False)

    def look(self) -> bool:
        """Return whether another process has given this one up. That costs one look at the folder."""
        with self._lock:
            if self._handle is not None and not self.is_lost:
                try:
                    os.stat(self.path)
                except OSError as error:
                    self.is_lost = error.errno in LOST_FILE
            return self.is_lost

    def beat(self) -> None:
        """Say that the process lives, and look at every second beat whether it was given up."""
        with self._lock:
            self._beat += 1
            if self._handle is not None and not (self.look() if self._beat % 2 else self.is_lost):
                with suppress(OSError):
                    self._write(at_once=is_shared(self.path.parent))

    def _begin(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, MODE)
        self._length = ROOM
        try:
            with suppress(OSError):  # a file system without modes
                os.fchmod(self._handle, MODE)
            self._write(at_once=False)
        except OSError:
            self._end()
            raise
        self._over = threading.Event()
        threading.Thread(target=self._keep_beating, args=(self._over,), name="heartbeat", daemon=True).start()

    def _keep_beating(self, over: threading.Event) -> None:
        while not over.wait(beat_seconds()):
            self.beat()

    def _write(self, *, at_once: bool) -> None:
        """Overwrite the file in place: it keeps its name, its inode, and its room on the disk.

        Readers see a single write of less than a page as a whole. Spaces cover the rest of a longer earlier text, and JSON
        ignores them.

        Args:
            at_once: whether other hosts must see it when this returns. On a disk of this host alone that would be dear.
        """
        known = {"id": self.id, "host": host.here().name, "pid": os.getpid(), "job_id": job_id()}
        line = json.dumps({"beat": self._beat, **known, **self._content}).encode()
        self._length = max(self._length, len(line))
        if at_once and _WHOLE_AT_ONCE:
            os.pwritev(self._handle or 0, [line.ljust(self._length)], 0, _WHOLE_AT_ONCE)
            return
        os.pwrite(self._handle or 0, line.ljust(self._length), 0)
        if at_once:
            os.fsync(self._handle or 0)

    def _end(self) -> None:
        self._over.set()
        self._content = {}
        with suppress(OSError):
            if self._handle is not None:
                os.close(self._handle)
        self._handle = None
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Drop what a fork has of the process that it was forked from, and leave its file alone."""
        with suppress(OSError):
            if self._handle is not None:
                os.close(self._handle)


_workers: dict[Path, Worker] = {}
_workers_lock = threading.Lock()


def this_worker(folder: Path) -> Worker:
    """Return this process as it works in the folder of workers.

    A process that was given up is another worker as soon as it holds none of the leases that it has lost. What else it does,
    such as running a command, goes on under its first id.
    """
    place = Path(os.path.abspath(folder))
    with _workers_lock:
        worker = _workers.get(place)
        if worker is None or (worker.is_lost and not worker.leases):
            worker = _workers[place] = Worker(place)
        return worker


def is_own(worker: str) -> bool:
    """Return whether a worker of this id is this process, and has not been given up."""
    with _workers_lock:
        return any(known.id == worker and not known.is_lost for known in _workers.values())


def _after_fork() -> None:
    global _workers_lock
    _workers_lock = threading.Lock()
    for worker in _workers.values():
        worker.forget()
    _workers.clear()


os.register_at_fork(after_in_child=_after_fork)
