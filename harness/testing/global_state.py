"""Conformance of methods: the global state of the process stays as it was, because it would reach other work."""

from __future__ import annotations

from collections.abc import Callable

from harness.process import global_state
from harness.process.process_state import ProcessState
from harness.testing.expect import expect

UNHEEDED = ("the filters of warnings", "the root logger", "the recursion limit", "the thread ")
"""Beginnings of what libraries change when the work imports them for the first time; no number depends on it."""


def check_global_state_is_left_alone(name: str, work: Callable[[], object]) -> None:
    """Check that some work leaves the global state of torch, NumPy and the process alone, and put the state back.

    That is: torch's default dtype and device, whether gradients are on, deterministic algorithms, the number of threads, cuDNN,
    autocast; the state of the global generators of torch, NumPy and Python; the functions of torch and NumPy themselves. And of
    the process: hooks and streams of sys, handlers of signals, sys.path, environment, working directory, umask, locale.

    Args:
        name: of what does the work, with which the message begins.
        work: makes a method and takes its steps, for example.
    """
    before, process = global_state.snapshot(), ProcessState()
    try:
        work()
    finally:
        changed = global_state.changes(before)
        changed += [change for change in process.changes() if not change.startswith(UNHEEDED)]
        global_state.put_back(before)
        process.put_back()
    expect(not changed, f"{name} leaves the global state of its process changed: {'; '.join(changed)}; restore it, or do without")
