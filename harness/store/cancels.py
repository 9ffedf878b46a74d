"""Requests to stop the runs of a board, also those on other machines: a file that commands and their workers look for.

```
cancels/TOKEN.json   which commands are asked to stop, and which of their jobs
```

A request names commands, so that it never stops one that starts later. It stays: a job of such a command may wait in the queue of
a cluster for days, and ends then before it begins.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

import msgspec

from harness.errors import Interrupted
from harness.process import stop
from harness.process.host import here
from harness.store.beats import beat_seconds, is_shared
from harness.store.commands import count
from harness.store.files import write_text
from harness.store.reading import read_bytes
from harness.store.runs_folder import RunsFolder
from harness.store.workers import SUFFIX

COMMAND_SECONDS = 1.0
"""Seconds between two looks of a command; more in a shared folder with many commands."""
SHARE_SECONDS = 0.4
"""All commands in a shared folder together look once in so many seconds, at most."""
LOOKS_A_COUNT = 8
"""Of so many looks of a command, one counts the commands."""
WORKER_BEATS = 2
"""Beats between two looks of a worker: its command, if it lives, tells it earlier."""


class Cancelled(Interrupted):
    """Somebody asked a run to stop. The text says who."""


@dataclass(frozen=True)
class Request:
    """A request to stop.

    Args:
        commands: ids of the commands that it is for.
        jobs: names of the jobs that must stop; None for all.
        by: who asks: `anna on node3`.
    """

    commands: tuple[str, ...]
    jobs: tuple[str, ...] | None = None
    by: str = ""


def ask(runs: RunsFolder, commands: Sequence[str], jobs: Sequence[str] | None) -> Request:
    """Write a request. Raises: StorageError."""
    request = Request(tuple(commands), None if jobs is None else tuple(jobs), f"{_user()} on {here().name}")
    write_text(runs.cancels / f"{secrets.token_hex(6)}{SUFFIX}", json.dumps(asdict(request)))
    return request


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an id without a name, as in containers
        return f"user {os.getuid()}"


class Cancels:
    """The requests that concern one command, as far as somebody has looked.

    Args:
        command: id of the command; "" for none, which nobody can ask to stop.
    """

    def __init__(self, runs: RunsFolder, command: str) -> None:
        self._runs, self._folder, self._command = runs, runs.cancels, command
        self._known: set[str] = set()
        self._requests: list[Request] = []
        self._looks, self._seconds, self._next = 0, COMMAND_SECONDS, 0.0

    @property
    def of_all(self) -> Request | None:
        """The request that asks the whole command to stop; None where there is none."""
        return next((request for request in self._requests if request.jobs is None), None)

    def of_job(self, job: str) -> Request | None:
        """Return the request that asks a job of the command to stop, by its name; None where there is none."""
        return next((request for request in self._requests if request.jobs is None or job in request.jobs), None)

    def look_now_and_then(self) -> bool:
        """Look, if that is due: see `look`. A call between two looks costs nothing."""
        if not self._command or time.monotonic() < self._next:
            return False
        if self._looks % LOOKS_A_COUNT == 0 and is_shared(self._folder):
            self._seconds = max(COMMAND_SECONDS, SHARE_SECONDS * count(self._runs))
        self._looks += 1
        self._next = time.monotonic() + self._seconds
        return self.look()

    def look(self) -> bool:
        """Look for new requests: one listing of the folder. Returns: whether there is one that concerns the command."""
        if not self._command:
            return False
        count = len(self._requests)
        with suppress(OSError):
            for name in sorted(set(os.listdir(self._folder)) - self._known):
                if name.endswith(SUFFIX) and not name.startswith("."):
                    self._read(name)
        return len(self._requests) > count

    def _read(self, name: str) -> None:
        with suppress(OSError, ValueError, RecursionError, msgspec.ValidationError):
            request = msgspec.convert(json.loads(read_bytes(self._folder / name)), Request)
            self._known.add(name)
            if self._command in request.commands:
                self._requests.append(request)


@contextmanager
def obeyed(runs: RunsFolder, command: str, job: str) -> Iterator[None]:
    """Count a stop as requested inside the block, which does a job of a command, when somebody asks the job to stop.

    Raises: Interrupted where somebody has asked already.
    """
    cancels, over = Cancels(runs, command), threading.Event()
    if not command:
        yield
        return

    def watch() -> None:
        while not over.wait(WORKER_BEATS * beat_seconds()):
            cancels.look()

    cancels.look()
    thread = threading.Thread(target=watch, name="cancels", daemon=True)
    thread.start()
    try:
        with stop.also_when(lambda: cancels.of_job(job) is not None):
            stop.check()
            yield
    finally:
        over.set()
        thread.join()
