"""The part of the executor that runs in the workers of a Dask cluster: jobs, each under a supervisor, and what stops them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from harness.toolkit.supervisor import Supervisor

_lock = threading.Lock()
_running: dict[str, Supervisor] = {}
_stopped: set[str] = set()
_slots: set[int] = set()


def run(token: str, folder: str, environment: Mapping[str, str], call: bytes) -> tuple[bytes | None, int]:
    """Run a job to its end.

    Args:
        token: names the job in the cluster.
        folder, environment: see `Supervisor`.
        call: pickled (function, arguments).
    Returns: see `Supervisor.run`.
    """
    with _slot() as slot:
        supervisor = Supervisor(folder, environment, sees_cards=True, slot=slot)
        with _lock:
            if token in _stopped:
                return None, -signal.SIGINT
            _running[token] = supervisor
        try:
            return supervisor.run(call, token)
        finally:
            with _lock:
                del _running[token]


@contextmanager
def _slot() -> Iterator[int]:
    """Yield the smallest number that no other job of this worker has: Dask shares out no cards, and each number has its own."""
    with _lock:
        slot = next(number for number in range(len(_slots) + 1) if number not in _slots)
        _slots.add(slot)
    try:
        yield slot
    finally:
        with _lock:
            _slots.remove(slot)


def stop(tokens: Collection[str]) -> list[str]:
    """Tell those of the jobs that run here to stop. The others do not begin here any more. Returns: the tokens of those that run.

    Dask calls this where it must not wait.
    """
    with _lock:
        _stopped.update(tokens)
        running = {token: _running[token] for token in tokens if token in _running}
    for supervisor in running.values():
        threading.Thread(target=supervisor.stop, daemon=True).start()
    return list(running)


def kill(tokens: Collection[str]) -> None:
    """End those of the jobs that run here, at once. The others do not begin here any more."""
    with _lock:
        _stopped.update(tokens)
        running = [_running[token] for token in tokens if token in _running]
    for supervisor in running:
        supervisor.kill()
