"""Hosts and their processes: the name of this host, what tells it from others, and whether a process of it lives."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

VARIABLE = "HARNESS_HOST"
"""The environment variable that gives the processes which have it a host of their own, with its value as name."""
_PROC = Path("/proc")
_STARTTIME = 19
"""Position of the start time among the fields of /proc/PID/stat after the name of the command: proc(5)."""
_ID = re.compile(r"(?P<identity>[0-9a-f]{12})-(?P<pid>[0-9]{1,10})-(?P<start>[0-9a-f]{1,16})-(?P<token>[0-9a-f]{6})")


@dataclass(frozen=True)
class Host:
    """A host, in whose processes the same process ids mean the same processes.

    Args:
        name: for people.
        identity: 12 hex digits; two hosts have different ones.
    """

    name: str
    identity: str


def here() -> Host:
    """Return the host of this process.

    On Linux a boot and a space of process ids make a host: two containers on one machine are two hosts, and a machine that was
    started again is another one. Elsewhere the name of the machine makes it.
    """
    return _host(os.environ.get(VARIABLE, ""))


@cache
def _host(named: str) -> Host:
    if named:
        return Host(named, _hash(f"{VARIABLE}={named}"))
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return Host(socket.gethostname(), _hash(f"{boot} {os.readlink(_PROC / 'self/ns/pid')}"))
    except (OSError, UnicodeDecodeError):
        return Host(socket.gethostname(), _hash(socket.gethostname()))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]


@dataclass(frozen=True)
class ProcessId:
    """A process, told from all others on all hosts and at all times. Its text is `IDENTITY-PID-START-TOKEN`.

    Args:
        identity: of its host.
        start: when it started, on its host's own scale, which no change of the clock moves; 0 where nothing says it.
        token: 6 hex digits by chance.
    """

    identity: str
    pid: int
    start: int
    token: str

    @classmethod
    def new(cls) -> ProcessId:
        """Return a new id of this process."""
        host, pid, start = this_process()
        return cls(host.identity, pid, start, secrets.token_hex(3))

    @classmethod
    def of(cls, text: str) -> ProcessId | None:
        """Return the id that a text is; None for other texts."""
        parts = _ID.fullmatch(text)
        if parts is None:
            return None
        return cls(parts["identity"], int(parts["pid"]), int(parts["start"], 16), parts["token"])

    def __str__(self) -> str:
        return f"{self.identity}-{self.pid}-{self.start:x}-{self.token}"

    @property
    def is_here(self) -> bool:
        """Whether the process is, or was, one of this host. Then `is_alive` can say more."""
        return self.identity == here().identity

    @property
    def is_alive(self) -> bool:
        """Whether the process of this host lives. One that was stopped by SIGSTOP lives; one that is a zombie does not."""
        start = _start(self.pid)
        return start is not None and (start == self.start or 0 in (start, self.start))


def this_process() -> tuple[Host, int, int]:
    """Return host, process id and start of this process."""
    pid = os.getpid()
    return here(), pid, _start_of_this(pid)


@cache
def _start_of_this(pid: int) -> int:
    return _start(pid) or 0


def is_dead_here(text: str) -> bool:
    """Return whether a text is the id of a process of this host that is dead. False: it lives, or nothing here says it."""
    process = ProcessId.of(text)
    return process is not None and process.is_here and not process.is_alive


def _start(pid: int) -> int | None:
    """Return when a process of this host started; 0 where it lives and nothing says when; None where it does not live."""
    try:
        # The name of the command stands in parentheses and may hold anything.
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X", b"x") else int(fields[_STARTTIME])
    except (OSError, ValueError, IndexError):
        pass
    # There is no /proc, or it hides the processes of other users. The time of the start is then a date: no clock-proof scale.
    with suppress(psutil.Error, OverflowError, ValueError):
        return None if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE else 0
    return 0 if _exists(pid) else None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
