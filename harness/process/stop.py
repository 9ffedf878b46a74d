"""Orderly stops. A signal only sets a flag. Long work checks the flag, saves its state, and raises Interrupted."""

from __future__ import annotations

import signal
from types import FrameType

from harness.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_requests = 0


def request(signum: int = 0, frame: FrameType | None = None) -> None:  # noqa: ARG001 - the signature of a signal handler
    """Ask the work of this process to stop at the next safe point."""
    global _requests
    _requests += 1


def is_requested() -> bool:
    """Return whether a stop was requested, by SIGINT, SIGTERM or `request`."""
    return _requests > 0


def is_forced() -> bool:
    """Return whether a stop was requested more than once: the user does not want to wait for a safe point."""
    return _requests > 1


def check() -> None:
    """Raises: Interrupted when a stop was requested."""
    if _requests:
        raise Interrupted


def on_signals() -> None:
    """Treat SIGINT and SIGTERM as requests to stop. Call it in the main thread of a process that runs jobs."""
    for number in SIGNALS:
        signal.signal(number, request)


def pass_ctrl_c_on(error: BaseException) -> None:
    """Raise a KeyboardInterrupt that the user caused.

    Where `on_signals` was called, a Ctrl-C raises nothing: there, a KeyboardInterrupt comes from code that raises one itself.
    """
    if isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        raise error


def clear() -> None:
    """Forget all requests. A process that goes on after an interruption, such as a test run, calls it."""
    global _requests
    _requests = 0
