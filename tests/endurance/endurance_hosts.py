"""Commands on hosts of their own: forks of a process that has imported what commands and jobs need.

An import of torch takes seconds, which thousands of commands have not. All else is as in a command of a shell: a session of its
own, its own files of output, the real executors, and processes that are really killed. The fork server of the executor `local` is
a fork too, where the real one is started anew.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from harness.cli import main
from harness.process import stop

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
LIMIT_SECONDS = 400.0
"""How long a command may take. Nothing that a kill leaves may let another command wait longer than for a few beats."""
NAMES = ("one", "two", "three")
"""Names of the hosts. No more than one command at a time runs on each."""


@dataclass(frozen=True)
class Jump:
    """A jump of a host's clock.

    Args:
        after: seconds after the start of the command.
        by: seconds; below 0 the clock is set back.
    """

    after: float
    by: float


class Hanging(AssertionError):
    """A command did not end."""


class Command:
    """A run of the harness on a host.

    Args:
        host: name of the host.
        arguments: of `harness`.
        log: the file for what it prints.
        variables: of its environment.
    """

    def __init__(
        self, host: str, arguments: Sequence[str], log: Path, variables: dict[str, str], jump: Jump | None = None
    ) -> None:
        self.host, self.log, self.jump = host, log, jump
        self.began = time.monotonic()
        self.disturbances: list[str] = []
        self.code: int | None = None
        log.touch()
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            os.close(reader)
            os.close(writer)  # a signal to the group finds it from now on
            _become(host, arguments, log, variables, jump)
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)

    def poll(self) -> int | None:
        """Return the exit code, -N where signal N killed it; None while it runs."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def wait(self) -> int:
        """Wait for the end. Raises: Hanging."""
        end = time.monotonic() + LIMIT_SECONDS
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise Hanging(f"the command on host {self.host} does not end; {self.log} has what it said")
            time.sleep(0.01)
        return code

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    def processes(self) -> list[psutil.Process]:
        """The command and all its descendants that live."""
        with suppress(psutil.NoSuchProcess):
            command = psutil.Process(self.pid)
            return [command, *command.children(recursive=True)]
        return []

    def signal_all(self, number: int) -> None:
        """Send a signal to all processes of the host: the group, which its executor's workers belong to."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def _become(host: str, arguments: Sequence[str], log: Path, variables: dict[str, str], jump: Jump | None) -> None:
    code = 1
    try:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, null), (1, handle), (2, handle)):
            os.dup2(source, target)
        os.environ.update(variables, HARNESS_HOST=host)
        if jump is not None:
            _set_clock(jump)
        _fork_servers()
        _draw_nothing()
        logging.getLogger().handlers.clear()
        for number in (*stop.SIGNALS, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        sys.argv = ["harness", *arguments]
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
            _note_modules()
        os._exit(code)


def _set_clock(jump: Jump) -> None:
    """Let the clock of this process and of its forks jump. Files keep the times of the kernel, as on a file server."""
    began, real, real_ns = time.monotonic(), time.time, time.time_ns

    def by() -> float:
        return jump.by if time.monotonic() - began > jump.after else 0.0

    vars(time)["time"] = lambda: real() + by()
    vars(time)["time_ns"] = lambda: real_ns() + int(by() * 1e9)


def _fork_servers() -> None:
    """Let the executor `local` fork its servers from this process instead of starting a Python for each."""
    from harness_local import pool

    vars(pool)["get_context"] = lambda _: _Forked()


def _draw_nothing() -> None:
    """Let plots be empty files: they are drawn from records that are done, and cost more than training here."""
    from harness.report.plots import plot

    def nothing(self: object) -> bytes:
        return b""

    plot.Plot.png = nothing


class _Forked:
    """Stands for the spawn context of multiprocessing. A fork has its parent's ends of all pipes, and must close them."""

    ends: list[Connection] = []

    def Pipe(self) -> tuple[Connection, Connection]:
        ours, theirs = multiprocessing.get_context("fork").Pipe()
        self.ends.append(ours)
        return ours, theirs

    def Process(self, target: Callable[..., object], args: tuple[object, ...]) -> Any:
        ends = list(self.ends)

        def begin() -> None:
            for end in ends:
                end.close()
            for number in stop.SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            stop.clear()
            target(*args)

        return multiprocessing.get_context("fork").Process(target=begin)


_modules: Path | None = None
"""Where processes note what they have imported, for `import_what_was_noted`."""


def note_modules(folder: Path) -> None:
    """Let the commands from now on, and their jobs, note in this folder what they have imported."""
    from harness_local import child

    global _modules
    _modules = folder
    answer = child._answer

    def noting(order: Any) -> bytes:
        given = answer(order)
        _note_modules()
        return given

    vars(child)["_answer"] = noting


def _note_modules() -> None:
    if _modules is not None:
        (_modules / f"modules-{os.getpid()}").write_text("\n".join(list(sys.modules)))


def import_what_was_noted() -> None:
    """Import in this process what commands and jobs have imported: all later ones begin with it. Nothing is noted any more."""
    global _modules
    assert _modules is not None
    names = [name for file in sorted(_modules.glob("modules-*")) for name in file.read_text().splitlines()]
    _modules = None
    for name in dict.fromkeys(names):
        with suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def adopt_orphans() -> None:
    """Make this process the parent of all orphans among its descendants, so that none is overlooked."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(kept: Sequence[Command]) -> list[psutil.Process]:
    """Bury children that have ended, but not the commands. Returns: all descendants that live."""
    pids = {command.pid for command in kept}
    for child in psutil.Process().children():
        if child.pid not in pids:
            with suppress(ChildProcessError, psutil.NoSuchProcess):
                if child.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(child.pid, os.WNOHANG)
    return psutil.Process().children(recursive=True)
