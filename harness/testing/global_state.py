"""Conformance of methods: the global state of the process stays as it was, because it would reach other work."""

from __future__ import annotations

from collections.abc import Callable

from harness.process import global_state
from harness.testing.expect import expect


def check_global_state_is_left_alone(name: str, work: Callable[[], object]) -> None:
    """Check that some work leaves torch's and NumPy's global state alone, and put the state back.

    That is: torch's default dtype and device, whether gradients are on, deterministic algorithms, the number of threads, cuDNN,
    autocast; the state of the global generators of torch, NumPy and Python; the functions of torch and NumPy themselves.

    Args:
        name: of what does the work, with which the message begins.
        work: makes a method and takes its steps, for example.
    """
    before = global_state.snapshot()
    try:
        work()
    finally:
        changed = global_state.changes(before)
        global_state.put_back(before)
    expect(not changed, f"{name} leaves the global state of its process changed: {'; '.join(changed)}; restore it, or do without")
