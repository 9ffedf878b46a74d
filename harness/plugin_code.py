"""Run code of plugins while it is imported, guarded: it can neither end the process, nor write to stdout, nor hang for ever.

This module imports no torch.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from types import FrameType
from typing import NoReturn

from harness.errors import UserError, in_one_line

LIMIT = "HARNESS_IMPORT_SECONDS"
"""Variable with the seconds after which an import is broken off."""
DISABLED = "HARNESS_DISABLE_PLUGINS"
"""Variable with the names of plugins to leave out, separated by commas."""
SLOW_SECONDS = 5.0
"""Seconds after which a message says which plugin is still being imported."""
MODULE_SECONDS = 60.0
"""Limit for the top module of a plugin and its hooks, which import nothing heavy."""
TARGET_SECONDS = 600.0
"""Limit for a target, which may be the first to import torch, from a slow disk."""
SIGNAL_SECONDS = 0.1
"""Seconds in which the handler of a signal runs, unless the import blocks."""
_SIGNAL = signal.SIGVTALRM
"""Interrupts an import. Timers of tests and of libraries use SIGALRM, and cluster managers SIGUSR1 and SIGUSR2."""


class PluginStopped(BaseException):
    """Code of a plugin did what it must not do while it is imported. No `except Exception` of the plugin catches this."""


def disabled_plugins() -> tuple[str, ...]:
    """Return the names of the plugins that the user leaves out."""
    return tuple(name for part in os.environ.get(DISABLED, "").split(",") if (name := part.strip()))


def seconds_allowed(default: float) -> float:
    """Return the limit for an import in seconds: the user's, else the default. Raises: UserError for one that is no number."""
    text = os.environ.get(LIMIT, "").strip()
    try:
        seconds = float(text) if text else default
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UserError(f"{LIMIT}={text}: expected a number of seconds above 0")
    return seconds


def fault_of(error: BaseException) -> str:
    """Return what code of a plugin did, in one line, for an exception that `guarded` let pass."""
    match error:
        case SystemExit():
            return f"it called sys.exit({error.code!r}) while it was imported"
        case KeyboardInterrupt():
            return "it raised KeyboardInterrupt while it was imported"
        case UserError() | PluginStopped():
            return " ".join(str(error).split())
    return in_one_line(error)


@contextmanager
def guarded(name: str, seconds: float) -> Iterator[None]:
    """Guard a block that runs code of a plugin. Whatever the code prints goes to stderr.

    Args:
        name: what is imported, for messages: `plugin ddo`.
        seconds: the limit, after which the block ends with PluginStopped. Only the main thread can be broken off.
    Raises: PluginStopped when the code calls os._exit, or at the limit; what the code raises. A KeyboardInterrupt that the user
    caused ends the process as everywhere: it is raised as `UserInterrupt`.
    """
    with _stdout_to_stderr(), _place_kept(), _without_exit(), _user_interrupts(), _time_limit(name, seconds):
        yield


class UserInterrupt(KeyboardInterrupt):
    """The user pressed Ctrl-C, or sent SIGTERM, while nothing had to be saved. `count`: how often, in this process."""

    count = 0

    def __init__(self) -> None:
        super().__init__()
        UserInterrupt.count += 1


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Send what the block writes to stdout to stderr, also what it writes past Python."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    saved = _swap_stdout()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if saved is not None:
            with suppress(OSError, ValueError, AttributeError):
                sys.__stdout__.flush()  # type: ignore[union-attr]
            os.dup2(saved, 1)
            os.close(saved)


def _swap_stdout() -> int | None:
    """Let the descriptor of stdout write to stderr; returns a copy of the old one, or None where one of the two is closed."""
    try:
        saved = os.dup(1)
    except OSError:
        return None
    try:
        os.dup2(2, 1)
    except OSError:
        os.close(saved)
        return None
    return saved


@contextmanager
def _place_kept() -> Iterator[None]:
    """Put back what every command and every other plugin counts on: working directory, umask, sys.path and logging.

    Relative paths of the command line begin at the working directory. What the block adds to sys.path stays.
    """
    path, disabled, mask = list(sys.path), logging.root.manager.disable, os.umask(0o022)
    os.umask(mask)
    try:
        folder = os.getcwd()
    except OSError:  # it was deleted
        folder = ""
    try:
        yield
    finally:
        with suppress(OSError):
            os.chdir(folder or ".")
        os.umask(mask)
        sys.path += [place for place in path if place not in sys.path]
        logging.disable(disabled)


@contextmanager
def _without_exit() -> Iterator[None]:
    """Turn os._exit into an exception, where the importing thread of this process calls it."""
    leave, process, thread = os._exit, os.getpid(), threading.get_ident()

    def refuse(status: int) -> NoReturn:
        if (os.getpid(), threading.get_ident()) != (process, thread):
            leave(status)  # a forked child, or the thread that ends an orphaned worker
        raise PluginStopped(f"it called os._exit({status}) while it was imported")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = leave


@contextmanager
def _user_interrupts() -> Iterator[None]:
    """Tell a Ctrl-C of the user, which ends the command, from a KeyboardInterrupt that the code raises.

    Where another handler stands, as in a run, a Ctrl-C raises nothing, and there is nothing to tell apart.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    is_default, before = signal.getsignal(signal.SIGINT) == signal.default_int_handler, UserInterrupt.count
    if is_default:
        signal.signal(signal.SIGINT, _raise_interrupt)
    try:
        yield
    except UserInterrupt:
        raise
    except BaseException as error:
        if UserInterrupt.count > before:  # the code caught it and raised something of its own
            raise UserInterrupt from error
        raise
    finally:
        if is_default:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    if UserInterrupt.count > before:  # the code swallowed it
        raise UserInterrupt


def _raise_interrupt(_: int, __: FrameType | None) -> None:
    raise UserInterrupt


@contextmanager
def _time_limit(name: str, seconds: float) -> Iterator[None]:
    """Say that the block takes long, and break it off at the limit."""
    is_main = threading.current_thread() is threading.main_thread()
    watch = _Watch(name, seconds, threading.get_ident() if is_main else None)
    with watch.listening() if is_main else nullcontext():
        watch.start()
        try:
            yield
        finally:
            watch.end()


class _Watch(threading.Thread):
    """Watches one import from a thread beside it.

    Args:
        name, seconds: what is imported, and the limit.
        importer: the main thread, if it is the one that imports: no other thread can be broken off.

    A signal can reach the process just before the import blocks (`time.sleep`, a connection): Python has noted it, and runs its
    handler when the call returns, perhaps never. So each signal also wakes this thread, which interrupts the call.
    """

    def __init__(self, name: str, seconds: float, importer: int | None) -> None:
        super().__init__(daemon=True)
        self._import, self._seconds, self._importer = name, seconds, importer
        self._limit = time.monotonic() + seconds
        self._has_ended = self._has_heard = False
        self._news, self._signals = os.pipe()
        for descriptor in (self._news, self._signals):
            os.set_blocking(descriptor, False)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take what interrupts the importing thread, and hear of all signals, in the block."""
        handler, descriptor = (
            signal.signal(_SIGNAL, self._interrupt),
            signal.set_wakeup_fd(self._signals, warn_on_full_buffer=False),
        )
        try:
            yield
        finally:
            signal.set_wakeup_fd(descriptor)
            signal.signal(_SIGNAL, signal.SIG_DFL if handler is None else handler)

    def end(self) -> None:
        """Stop watching."""
        self._has_ended = True
        with suppress(BlockingIOError):  # full of signals, which wake the thread too
            os.write(self._signals, b"\0")
        self.join()
        os.close(self._news)
        os.close(self._signals)

    def run(self) -> None:
        first = min(SLOW_SECONDS, self._seconds)
        self._wait(self._limit - self._seconds + first)
        if not self._has_ended and first < self._seconds:
            text = f"{self._import} takes long to import: {first:g} s so far, {self._seconds:g} s at most"
            with suppress(OSError):
                os.write(2, f"{text}; {DISABLED} leaves plugins out\n".encode())
        self._wait(self._limit)
        while not self._has_ended and self._importer is not None:
            signal.pthread_kill(self._importer, _SIGNAL)
            self._wait(time.monotonic() + 1)  # code that catches everything is broken off again

    def _interrupt(self, _: int, __: FrameType | None) -> None:
        """Break the import off at its limit. Before that, there is nothing to do here: handlers of other signals have run."""
        self._has_heard = True
        if not self._has_ended and time.monotonic() >= self._limit:
            raise PluginStopped(f"importing it took longer than {self._seconds:g} s; {LIMIT} sets another limit")

    def _wait(self, until: float) -> None:
        """Wait for the end of the import, at most until this time."""
        pipe = select.poll()
        pipe.register(self._news, select.POLLIN)
        while not self._has_ended and (left := until - time.monotonic()) > 0:
            if pipe.poll(1000 * left) and set(os.read(self._news, 4096)) - {0, _SIGNAL}:
                self._wake_importer()

    def _wake_importer(self) -> None:
        """Interrupt what blocks the importing thread, if it does not run the handlers of signals by itself."""
        self._has_heard = False
        time.sleep(SIGNAL_SECONDS)
        while not self._has_ended and not self._has_heard and self._importer is not None:
            signal.pthread_kill(self._importer, _SIGNAL)
            time.sleep(SIGNAL_SECONDS)
