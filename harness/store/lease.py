"""Leases: a process that works on an output or a cell holds the lease of it. Other processes then wait or do other work.

A lease saves double work, and nothing else rests on it: outputs are complete or absent, and two processes that make the same one
make the same bits. So a lease may be lost. An owner that lives beats (see `harness.store.workers`). When it is gone, others take
its leases over: at once where it was a process of their own host, and after some beats that did not come where it was on another
host. An owner that wakes up after that has lost the lease: no file of it appears any more, and its job ends as busy.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.process import stop
from harness.process.host import is_dead_here
from harness.store import files, lease_files
from harness.store.beats import beat_seconds, is_shared
from harness.store.files import storage
from harness.store.lease_files import Holding, holder
from harness.store.observing import Watch, is_known_gone, is_on_another_host, workers_folder
from harness.store.workers import Worker, this_worker

FIRST_WAIT, LAST_WAIT = 0.05, 0.5
"""Seconds between two looks at a lease that another process holds, at first and after a while, in a folder of one host."""
FIRST_SHARED_WAIT, LAST_SHARED_WAIT = 0.25, 2.0
"""Beats between two looks in a folder that several hosts share."""
SLICE_SECONDS = 0.2
"""A wait notices a request to stop after this time, and the death of an owner on its own host."""


@dataclass(frozen=True)
class _Held:
    """A lease of this process."""

    holding: Holding
    worker: Worker


_chance = random.SystemRandom()
_held: list[_Held] = []
_held_lock = threading.Lock()


class Busy(Exception):
    """Another process holds the lease."""


class Lost(Busy):
    """Another process has taken over a lease that this process held. Whatever the process does for it now is of no use."""


@contextmanager
def lease(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lease of this path during the block.

    Args:
        path: `FOLDER/leases/NAME`, where the files of the lease stand beside it, and those of its owners in `FOLDER/workers`.
        wait: whether to wait while another process holds the lease.
    Raises: Busy when another process holds the lease and `wait` is False; Interrupted when the user asks to stop during the
        wait; StorageError when the file of the lease cannot be made; Lost where the block writes a file after the lease was lost,
        and in the place of any exception of the block then.
    """
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        held = _waited_for(path) if wait else _taken(path)
    if held is None:
        raise Busy(str(path))
    with _held_lock:
        _held.append(held)
    try:
        yield
    except Busy:
        raise
    except Exception as error:
        if _is_lost(held):  # the fault is one of a job that has gone on too long, and would be told of one that goes well
            raise Lost(str(path)) from error
        raise
    finally:
        _end(held)


def _end(held: _Held) -> None:
    with _held_lock:
        if held not in _held:  # in a fork of the process that holds it
            return
        _held.remove(held)
    if not held.worker.is_lost:
        held.holding.remove()
    _leave(held.worker)


def _leave(worker: Worker) -> None:
    worker.leases -= 1
    worker.leave()


def check_held() -> None:
    """Raises: Lost when another process has taken over a lease of this process."""
    with _held_lock:
        leases = list(_held)
    for held in leases:
        if _is_lost(held):
            raise Lost(str(held.holding.base))


def _is_lost(held: _Held) -> bool:
    if held.worker.look() or held.holding.is_over:
        held.worker.is_lost = True
    return held.worker.is_lost


def is_any_lost() -> bool:
    """Return whether a lease of this process is known to be lost. It costs no look at the folder: the heartbeat looks."""
    return any(held.worker.is_lost for held in list(_held))


def take_over(gone: Holding) -> None:
    """Take a lease over from an owner that is gone, and end it, so that whoever wants it finds it free. Raises: OSError."""
    if (held := _taken(gone.base, gone)) is not None:
        held.holding.remove()
        _leave(held.worker)


def _taken(path: Path, gone: Holding | None = None) -> _Held | None:
    """Return the lease if it is free, or held by an owner that is gone. Raises: StorageError; OSError; Lost.

    Args:
        gone: what an owner has that this process found to be gone.
    """
    found = holder(path)
    if found is not None and found != gone and not is_known_gone(found):
        return None
    worker = this_worker(workers_folder(path))
    if worker.is_lost:
        raise Lost(str(path))
    worker.use()
    worker.leases += 1
    made = None
    try:
        made = lease_files.take(path, worker.id, found)
    finally:
        if made is None:
            _leave(worker)
    if made is not None and worker.look():  # a process that was stopped until now may learn of its end here
        made.remove()
        _leave(worker)
        raise Lost(str(path))
    return None if made is None else _Held(made, worker)


def _waited_for(path: Path) -> _Held:
    """Return the lease when it is free, or its owner gone. Raises: Interrupted; StorageError; OSError; Lost."""
    gone: Holding | None = None
    while (held := _taken(path, gone)) is None:
        stop.check()
        if (found := holder(path)) is not None:
            gone = found if _outlasts(found) else None
    return held


def _outlasts(found: Holding) -> bool:
    """Wait for the end of a lease of another process. Returns: whether its owner is gone. Raises: Interrupted."""
    is_far, watch, wait = is_on_another_host(found), Watch.of_owner(found), 0.0
    first, last = FIRST_WAIT, LAST_WAIT
    if is_far or is_shared(found.base):
        first, last = (beats * beat_seconds() for beats in (FIRST_SHARED_WAIT, LAST_SHARED_WAIT))
    while not found.is_over:
        if is_far and watch.look():
            watch.give_up()
            return True
        if not is_far and is_known_gone(found):
            return True
        wait = min(max(2 * wait, first), last)
        _sleep(wait * _chance.uniform(0.8, 1.2), found)
    return False


def _sleep(seconds: float, found: Holding) -> None:
    """Wait, without a look at the folder. An owner that dies on this host ends the wait. Raises: Interrupted."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not is_dead_here(found.owner):
        stop.check()
        time.sleep(min(left, SLICE_SECONDS))


def _after_fork() -> None:
    global _held_lock
    _held_lock = threading.Lock()
    _held.clear()


os.register_at_fork(after_in_child=_after_fork)
files.checks.append(check_held)
