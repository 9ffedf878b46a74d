"""Orderly stops. A signal only sets a flag. Long work checks the flag, saves its state, and raises Interrupted."""

from __future__ import annotations

import mmap
import signal
from collections.abc import Callable, Iterator, MutableSequence
from contextlib import contextmanager
from types import FrameType

from harness.errors import Interrupted
from harness.plugin_code import UserInterrupt

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_requests = 0
_saving: MutableSequence[int] | mmap.mmap = [0]
_reasons: list[Callable[[], bool]] = []


def request(signum: int = 0, frame: FrameType | None = None) -> None:  # noqa: ARG001 - the signature of a signal handler
    """Ask the work of this process to stop at the next safe point."""
    global _requests
    _requests += 1


def is_requested() -> bool:
    """Return whether a stop was requested, by SIGINT, SIGTERM or `request`, or by what `also_when` was told."""
    return _requests > 0 or any(is_reason() for is_reason in list(_reasons))


def is_forced() -> bool:
    """Return whether a stop was requested more than once: the user does not want to wait for a safe point."""
    return _requests > 1


def check() -> None:
    """Raises: Interrupted when a stop was requested."""
    if is_requested():
        raise Interrupted


@contextmanager
def also_when(is_reason: Callable[[], bool]) -> Iterator[None]:
    """Count a stop as requested inside the block where the function says so. Each look calls it, so that it must cost nothing."""
    _reasons.append(is_reason)
    try:
        yield
    finally:
        _reasons.remove(is_reason)


def on_signals() -> None:
    """Treat SIGINT and SIGTERM as requests to stop. Call it in the main thread of a process that runs jobs."""
    for number in SIGNALS:
        signal.signal(number, request)


def raise_on_signals() -> None:
    """Treat SIGINT and SIGTERM as requests to stop that raise KeyboardInterrupt at once.

    A command calls it in the main thread before anything that takes time: nothing that it does there has to be saved.
    """
    for number in SIGNALS:
        signal.signal(number, _raise)


def _raise(signum: int, frame: FrameType | None) -> None:
    request(signum, frame)
    raise UserInterrupt


@contextmanager
def saves_state() -> Iterator[None]:
    """Say that the work of the block saves its state after a stop request, so that its executor waits for that.

    Outside of such a block a stopped job has nothing to save: finished outputs are on disk, and an executor may kill it.
    """
    _saving[0] += 1
    try:
        yield
    finally:
        _saving[0] -= 1


def tell_saving(shared: MutableSequence[int] | mmap.mmap) -> None:
    """Keep the number of blocks of `saves_state` in `shared[0]` from now on: memory that the executor can read too."""
    global _saving
    shared[0] = _saving[0]
    _saving = shared


def pass_ctrl_c_on(error: BaseException) -> None:
    """Raise a KeyboardInterrupt that the user caused.

    Where `on_signals` was called, a Ctrl-C raises nothing: there, a KeyboardInterrupt comes from code that raises one itself.
    """
    handler = signal.getsignal(signal.SIGINT)
    is_ctrl_c = handler is signal.default_int_handler or (handler is _raise and is_requested())
    if isinstance(error, KeyboardInterrupt) and is_ctrl_c:
        raise error


def clear() -> None:
    """Forget all requests. A process that goes on after an interruption, such as a test run, calls it."""
    global _requests
    _requests = 0
