"""The log of a job: all that its process prints, beside the usual place, in a file that outlives the job.

In a worker the descriptors of stdout and stderr are copied into the file, so that it has what libraries print too. A process that
has other work, such as a command that runs jobs itself, gives log messages and tracebacks alone.

Nothing that befalls the file reaches the job: on a full disk the log ends, and the job goes on.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from harness.process import host, worker

LARGEST = 8 * 2**20
"""Bytes that one job may write into its log. The rest of what it prints goes to the usual place alone."""
LARGEST_BEFORE = 2**20
"""A log that is larger when a job begins is renamed to NAME.log.old."""
POLL_SECONDS = 0.1
MODE = 0o666
DESCRIPTORS = (1, 2)
_current: list[JobLog] = []
_descriptors = threading.Lock()
"""Held while the descriptors of this process go into a log. Jobs that run beside each other in threads share them."""


class JobLog:
    """The file of a job's log. It is made with the first line, and each part of it is written at once.

    Args:
        path: of the file; None to keep nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._handle: int | None = None
        self._room = LARGEST
        self._began = time.monotonic()
        self._end = b""

    @property
    def is_begun(self) -> bool:
        """Whether anything was written."""
        return self._handle is not None

    def write(self, content: bytes) -> None:
        """Append bytes."""
        if self._path is None or not self._room:
            return
        with suppress(OSError):
            if self._handle is None:
                self._handle = _opened(self._path)
                os.write(self._handle, _headline())
            os.write(self._handle, content[: self._room])
            self._room = max(0, self._room - len(content))
            if not self._room:
                os.write(self._handle, b"\n=== the log is full; what the job prints from here on is not kept\n")

    def end(self, outcome: str) -> None:
        """Say how the job ended. It becomes the last line, after all that is still on its way to the file."""
        self._end = f"=== {outcome} after {time.monotonic() - self._began:.1f} s\n".encode(errors="replace")

    def close(self) -> None:
        """Close the file."""
        if self._end:
            self._room = max(self._room, len(self._end))
            self.write(self._end)
        if self._handle is not None:
            with suppress(OSError):
                os.close(self._handle)


class _Handler(logging.Handler):
    def __init__(self, log: JobLog) -> None:
        super().__init__()
        self._log = log
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._log.write(f"{self.format(record)}\n".encode(errors="replace"))


@contextmanager
def kept(path: Path | None) -> Iterator[JobLog]:
    """Keep what the block prints in a log."""
    log = JobLog(path)
    _current.append(log)
    try:
        if path is None:
            yield log
        elif worker.has_begun() and _descriptors.acquire(blocking=False):
            try:
                with _copied(log):
                    yield log
            finally:
                _descriptors.release()
        else:
            with _messages(log):
                yield log
    finally:
        _current.remove(log)
        log.close()


def note(text: str) -> None:
    """Write lines into the log of the job that this process does, if it does one, and nowhere else."""
    if _current:
        _current[-1].write(text.encode(errors="replace"))


def append(path: Path, text: str) -> None:
    """Write a line into the log of a job that has ended. What the system refuses is dropped."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(f"=== {text}\n".encode(errors="replace"))


def _opened(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        if path.stat().st_size > LARGEST_BEFORE:
            path.replace(path.with_name(f"{path.name}.old"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, MODE)


def _headline() -> bytes:
    job_id = f", job {worker.job_id()}" if worker.job_id() else ""
    date = datetime.now(UTC).isoformat(" ", "seconds")
    return f"=== {date}  {host.here().name}, process {os.getpid()}{job_id}\n".encode(errors="replace")


@contextmanager
def _messages(log: JobLog) -> Iterator[None]:
    handler = _Handler(log)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


@contextmanager
def _copied(log: JobLog) -> Iterator[None]:
    """Send the descriptors 1 and 2 through a pipe, from which a thread writes to their usual places and into the log."""
    with suppress(OSError, ValueError, AttributeError):  # a crash must not take the last lines along
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    copy = _Copy(log)
    try:
        yield
    finally:
        copy.end()


class _Copy:
    """Copies what goes to the descriptors 1 and 2."""

    def __init__(self, log: JobLog) -> None:
        self._log = log
        self._over = threading.Event()
        _flush()
        self._usual: dict[int, int] = {}
        """A copy of each descriptor as it was, by the end of the pipe that is in its place now."""
        for descriptor in DESCRIPTORS:
            usual = os.dup(descriptor)
            source, target = os.pipe()
            os.dup2(target, descriptor)  # inheritable, as it was: what the job starts prints into the log too
            os.close(target)
            self._usual[source] = usual
        self._thread = threading.Thread(target=self._copy, name="log", daemon=True)
        self._thread.start()

    def _copy(self) -> None:
        poll = select.poll()
        open_sources = set(self._usual)
        for source in open_sources:
            poll.register(source, select.POLLIN)
        while open_sources:
            ready = poll.poll(POLL_SECONDS * 1000)
            for source, _ in ready:
                if content := os.read(source, 2**16):
                    self._log.write(content)
                    _write_all(self._usual[source], content)
                else:
                    poll.unregister(source)
                    open_sources.remove(source)
            if not ready and self._over.is_set():  # a process that the job has left holds the pipes open
                return

    def end(self) -> None:
        """Give the descriptors back, when everything was copied."""
        _flush()
        for descriptor, usual in zip(DESCRIPTORS, self._usual.values(), strict=True):
            os.dup2(usual, descriptor)
        self._over.set()
        self._thread.join()
        for source, usual in self._usual.items():
            os.close(usual)
            os.close(source)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()


def _write_all(descriptor: int, content: bytes) -> None:
    with suppress(OSError):
        while content:
            content = content[os.write(descriptor, content) :]
