"""The state of a process that one piece of work may leave changed for the next one: hooks, handlers, paths, threads.

What numbers depend on directly, torch's settings and the global generators, is in `global_state`.
"""

from __future__ import annotations

import locale
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.process.global_state import environment_changes, put_back_environment

HOOKS = ("exit", "excepthook", "displayhook", "unraisablehook", "stdin", "stdout", "stderr", "settrace", "setprofile")
"""Attributes of `sys` that one piece of work may replace under the feet of the next."""
ENDING_SECONDS = 1.0
"""How long a new thread may take to end before it counts as one that runs on."""


@dataclass(frozen=True)
class ProcessState:
    """The state when this object is made."""

    values: Mapping[str, object] = field(default_factory=lambda: _values())
    path: list[str] = field(default_factory=lambda: list(sys.path))
    folder: str = field(default_factory=lambda: _working_directory())
    umask: int = field(default_factory=lambda: _umask())
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    threads: frozenset[threading.Thread] = field(default_factory=lambda: frozenset(threading.enumerate()))

    def changes(self) -> list[str]:
        """Return the name of each thing that differs now: `the working directory`, `the handler of SIGUSR1`.

        A thread counts if it was not there before and still runs after a second: one that was told to end takes a moment.
        """
        _wait_for(frozenset(threading.enumerate()) - self.threads)
        now = ProcessState()
        changed = [name for name, value in self.values.items() if now.values[name] != value]
        places = {"sys.path": "path", "the working directory": "folder", "the umask": "umask"}
        changed += [name for name, attribute in places.items() if getattr(now, attribute) != getattr(self, attribute)]
        changed += environment_changes(self.environment)
        return changed + sorted(f"the thread {thread.name}, which runs on" for thread in now.threads - self.threads)

    def put_back(self) -> None:
        """Restore hooks, handlers, sys.path, environment, working directory and umask. Threads, loggers and filters stay."""
        for name in HOOKS:
            setattr(sys, name, self.values[f"sys.{name}"])
        for number in _signals():
            if signal.getsignal(number) != (handler := self.values[_handler(number)]) and handler is not None:
                signal.signal(number, handler)  # type: ignore[arg-type]  # it came from getsignal
        sys.path[:] = self.path
        put_back_environment(self.environment)
        os.chdir(self.folder)
        os.umask(self.umask)


def _wait_for(threads: frozenset[threading.Thread]) -> None:
    """Give threads together `ENDING_SECONDS` to end."""
    latest = time.monotonic() + ENDING_SECONDS
    for thread in threads - {threading.current_thread()}:
        thread.join(max(0.0, latest - time.monotonic()))


def _values() -> dict[str, object]:
    return {
        **{f"sys.{name}": getattr(sys, name) for name in HOOKS},
        **{_handler(number): signal.getsignal(number) for number in _signals()},
        "the recursion limit": sys.getrecursionlimit(),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the filters of warnings": (list(warnings.filters), warnings.showwarning),
        "the root logger": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "whether denormal numbers count as zero (torch.set_flush_denormal)": sys.float_info.min / 2 == 0,
    }


def _signals() -> list[signal.Signals]:
    return [number for number in signal.valid_signals() if isinstance(number, signal.Signals)]


def _handler(number: signal.Signals) -> str:
    return f"the handler of {number.name}"


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return ""


def _umask() -> int:
    """Return the umask, which can only be read by setting another one."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
