"""A polite end: signals set a flag, long work looks at it, saves its state and raises Interrupted."""

from __future__ import annotations

import signal
from types import FrameType

from harness.errors import Interrupted

_is_requested = False


def request(signum: int = 0, frame: FrameType | None = None) -> None:  # noqa: ARG001 - the signature of a signal handler
    """Ask the work of this process to stop at the next safe point."""
    global _is_requested
    _is_requested = True


def is_requested() -> bool:
    """True after SIGINT or SIGTERM."""
    return _is_requested


def check() -> None:
    """Raises: Interrupted when a stop was requested."""
    if _is_requested:
        raise Interrupted


def on_signals() -> None:
    """SIGINT and SIGTERM ask to stop. Call in the main thread of a process that runs jobs."""
    signal.signal(signal.SIGINT, request)
    signal.signal(signal.SIGTERM, request)


def clear() -> None:
    """Forget a request; for a process that goes on after it was interrupted, such as a test."""
    global _is_requested
    _is_requested = False
