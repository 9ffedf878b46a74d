"""Run code of plugins while it is imported, guarded: it can neither end the process, nor write to stdout, nor hang for ever.

This module imports no torch.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
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
_SIGNAL = signal.SIGVTALRM
"""Breaks off an import. Timers of tests and of libraries use SIGALRM, and cluster managers SIGUSR1 and SIGUSR2."""


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
    with _stdout_to_stderr(), _without_exit(), _user_interrupts(), _time_limit(name, seconds):
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
    done, thread = threading.Event(), threading.get_ident()
    is_main = threading.current_thread() is threading.main_thread()
    watch = threading.Thread(target=_watch, args=(name, seconds, done, thread if is_main else None), daemon=True)
    before = signal.signal(_SIGNAL, _raiser(seconds, done)) if is_main else None
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()
        if is_main:
            signal.signal(_SIGNAL, signal.SIG_DFL if before is None else before)


def _raiser(seconds: float, done: threading.Event) -> Callable[[int, FrameType | None], None]:
    def stop(_: int, __: FrameType | None) -> None:
        if done.is_set():
            return
        raise PluginStopped(f"importing it took longer than {seconds:g} s; {LIMIT} sets another limit")

    return stop


def _watch(name: str, seconds: float, done: threading.Event, thread: int | None) -> None:
    first = min(SLOW_SECONDS, seconds)
    if done.wait(first):
        return
    if first < seconds:
        text = f"{name} takes long to import: {first:g} s so far, {seconds:g} s at most; {DISABLED} leaves plugins out\n"
        with suppress(OSError):
            os.write(2, text.encode())
    wait = seconds - first
    while not done.wait(wait) and thread is not None:
        signal.pthread_kill(thread, _SIGNAL)
        wait = 1.0  # code that catches everything is broken off again
