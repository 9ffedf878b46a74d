"""The lead of a crew: it starts the members, gives them work, and sees when one of them is lost."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from harness.errors import Diverged, EndsTheRun, Interrupted, UserError
from harness.process import devices, worker
from harness.process.crew import (
    ALONE,
    Begin,
    Crew,
    Do,
    Done,
    End,
    Failed,
    Follow,
    Piece,
    ProcessLost,
    Ready,
    Result,
    Setup,
    Value,
)
from harness.process.signals import death_of

if TYPE_CHECKING:
    from harness.process.collectives import Collectives

T = TypeVar("T")
log = logging.getLogger(__name__)
MEMBER = "from harness.process.crew_member import main; main()"
OWN_ERRORS = (Interrupted, Diverged, UserError, EndsTheRun)
"""Errors that say themselves what is wrong, whatever became of the members since."""
SETTLING_SECONDS = 2.0
"""Time in which the end of a member is seen after an error that it may have caused."""
GRACE_SECONDS = 20.0
"""Time that the lead has to notice by itself that a member is gone. A card may wait for it without end."""
LOST_EXIT = 3
"""Exit code of a lead that could not be brought back from waiting for a lost member."""


@dataclass(eq=False)
class _Member:
    rank: int
    process: subprocess.Popen[bytes]
    connection: Connection
    failure: Failed | None = None

    def send(self, message: object) -> None:
        self.connection.send_bytes(pickle.dumps(message))

    def receive(self) -> object:
        message = pickle.loads(self.connection.recv_bytes())
        if isinstance(message, Failed):
            self.failure = message
            raise _failure(self.rank, message)
        return message

    def last_words(self) -> Failed | None:
        """Return what the member has said about its end, where it has."""
        with suppress(OSError, EOFError, pickle.UnpicklingError):
            while self.failure is None and self.connection.poll():
                message = pickle.loads(self.connection.recv_bytes())
                if isinstance(message, Failed):
                    self.failure = message
        return self.failure


def _failure(rank: int, failure: Failed) -> Exception:
    if failure.is_users:
        return UserError(failure.text)
    return RuntimeError(f"process {rank} of the job raised:\n{failure.text}")


class Lead(Crew):
    """The lead of a crew. Members are started when the first work is shared out: much of a job needs one process alone.

    Args:
        size: number of processes.
        device: as the user named it.
        is_deterministic: whether a card uses deterministic kernels alone.
    """

    def __init__(self, size: int, device: str, *, is_deterministic: bool = True) -> None:
        self.size, self.device, self.is_deterministic = size, device, is_deterministic
        self._members: list[_Member] = []
        self._group: Collectives | None = None
        self._folder: Path | None = None
        self._is_closing = False

    @property
    def group(self) -> Collectives | None:
        self._start()
        return self._group

    @contextmanager
    def employ(self, factory: Callable[..., Callable[[Piece], Result]], *arguments: object) -> Iterator[None]:
        self._tell(Begin(cast("Callable[..., Callable[[object], object]]", factory), arguments))
        yield
        self._tell(End())  # not after an error, which ends the job, and the members

    def each(self, pieces: Iterable[Piece], own: Callable[[Piece], Result]) -> Iterator[Result]:
        waiting = iter(pieces)
        while turn := list(islice(waiting, self.size)):
            busy = list(zip(self._members, turn[1:], strict=False))
            for member, piece in busy:
                member.send(Do(piece))
            yield own(turn[0])
            for member, _ in busy:
                yield cast(Result, cast(Done, member.receive()).result)

    def follow(self, function: Callable[..., object], *arguments: object) -> None:
        self._tell(Follow(function, arguments))

    def agree(self, value: Callable[[], T]) -> T:
        agreed = value()
        self._tell(Value(agreed))
        return agreed

    def release(self, value: object) -> None:
        if self.is_together:
            self._tell(Value(value))

    @contextmanager
    def watched(self) -> Iterator[None]:
        try:
            yield
        except OWN_ERRORS:
            raise
        except Exception as error:
            if (cause := self._cause()) is not None and cause is not error:
                raise cause from error
            raise

    def close(self) -> None:
        self._is_closing = True
        for member in self._members:
            with suppress(OSError):
                member.connection.close()
            member.process.kill()  # a member keeps nothing, and may wait for the lead in the middle of a step
        for member in self._members:
            member.process.wait()
        self._members = []
        if self._group is not None:
            from harness.process import collectives

            collectives.leave()
            self._group = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _tell(self, message: object) -> None:
        self._start()
        for member in self._members:
            member.send(message)

    def _start(self) -> None:
        if self._group is not None:
            return
        from harness.process import collectives

        self._folder = Path(tempfile.mkdtemp(prefix="harness-crew-"))
        self._members = [self._new_member(rank) for rank in range(1, self.size)]
        for member in self._members:
            threading.Thread(target=self._watch, args=(member,), daemon=True).start()
            place = self.device, devices.slot(), self.is_deterministic
            member.send(Setup(member.rank, self.size, str(self._folder), *place, os.getpid()))
        for member in self._members:
            assert isinstance(member.receive(), Ready), "a member begins so"
        device = devices.use(self.device, is_deterministic=self.is_deterministic)
        self._group = collectives.join(self._folder, 0, self.size, device)

    def _new_member(self, rank: int) -> _Member:
        ours, theirs = Pipe()
        paths = os.pathsep.join(path for path in sys.path if path)
        with worker.hold_signals():  # a Ctrl-C is for the lead, also while a member still imports torch
            process = subprocess.Popen(
                [sys.executable, "-c", MEMBER, str(theirs.fileno())],
                env={**os.environ, "PYTHONPATH": paths},
                stdin=subprocess.DEVNULL,
                stdout=2,  # what plugins print must not get between the results of the command
                pass_fds=[theirs.fileno()],
            )
        theirs.close()
        return _Member(rank, process, ours)

    def _watch(self, member: _Member) -> None:
        """Wait for the end of a member. Where the lead does not notice it, as on a card that waits for it, end the lead too."""
        member.process.wait()
        if self._is_closing:
            return
        time.sleep(GRACE_SECONDS)
        if not self._is_closing:
            log.error("%s; the process that led the job waited for it, and ends", self._death_of(member))
            os._exit(LOST_EXIT)

    def _cause(self) -> Exception | None:
        """Return what became of the members, where that explains an error of the lead; None where all are well."""
        until = time.monotonic() + SETTLING_SECONDS
        while time.monotonic() < until and all(member.process.poll() is None for member in self._members):
            time.sleep(0.02)
        gone = [member for member in self._members if member.process.poll() is not None]
        for member in gone:
            if (member.process.returncode or 0) < 0:
                return ProcessLost(self._death_of(member))
        failures = [(member, failure) for member in gone if (failure := member.last_words()) is not None]
        for member, failure in sorted(failures, key=lambda pair: pair[1].is_of_others):
            return _failure(member.rank, failure)
        return ProcessLost(self._death_of(gone[0])) if gone else None

    def _death_of(self, member: _Member) -> str:
        return f"process {member.rank + 1} of {self.size} of the job {death_of(member.process.returncode or 0)}"


def crew_of(size: int, device: str, *, is_deterministic: bool = True) -> Crew:
    """Return the crew of a job on so many devices; it starts nothing before it is needed."""
    devices.share_cards(0, size)
    return ALONE if size == 1 else Lead(size, device, is_deterministic=is_deterministic)
