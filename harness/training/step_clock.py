"""The time that the steps of a training take, without that of what stands beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from harness.process import devices


class StepClock:
    """Seconds of wall clock that steps took on a device, summed over the processes of a training.

    Args:
        device: the device that is to be finished with its work before the clock is looked at.
        more: returns the seconds, since the last call, that belong to the steps and were spent elsewhere.
    """

    def __init__(self, device: torch.device, more: Callable[[], float]) -> None:
        self._device, self._more = device, more
        self.seconds = 0.0
        """What was counted so far. A checkpoint keeps the number, and what goes on from it sets the number."""
        self._since = time.perf_counter()

    def start(self) -> None:
        """Count from now: the time since the last count is not counted."""
        self._since = time.perf_counter()

    def count(self) -> None:
        """Count the time until now, and the seconds that were spent elsewhere."""
        devices.finish(self._device)
        now = time.perf_counter()
        self.seconds += now - self._since + self._more()
        self._since = now

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Count the time until now, and none of the time in the block, whatever it raises."""
        self.count()
        try:
            yield
        finally:
            self.start()
