"""Whether a process can do another job: what the last one left changed in it would reach the next one's numbers."""

from __future__ import annotations

import gc
from dataclasses import dataclass

from harness.process import global_state, stop
from harness.process.process_state import ProcessState
from harness_local import cleanness


@dataclass(frozen=True)
class Before:
    """The state of a process before its first job."""

    numbers: global_state.GlobalState
    process: ProcessState

    def left(self) -> str:
        """Return what differs now, in one line; "" where nothing does. The global generators are not looked at.

        Each job seeds them anew. Nothing is put back: a process with a change ends, since nobody knows what else was changed.
        """
        for restore in self.numbers.restore_generators:
            restore()
        return "; ".join(global_state.changes(self.numbers) + self.process.changes())


def note() -> Before:
    """Return how the process is now."""
    return Before(global_state.snapshot(), ProcessState())


def is_possible() -> bool:
    """Return whether this process can take another job, as far as the harness's own marks on it go.

    A process that was told to stop has its flag for good. On a card, the harness itself sets how it computes.
    """
    gc.collect()  # the memory of the last job is no part of the next one's
    return not (stop.is_requested() or cleanness.has_cuda_driver())
