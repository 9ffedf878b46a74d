"""The processes of other hosts that work in a folder, as a process sees them that stays for long: which of them are gone.

However many processes look, they cost the folder little: the more there are, the fewer of the others each of them watches at
once, and it watches those that it happens on. So together they watch all.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Set
from pathlib import Path

from harness.process.host import ProcessId
from harness.store.beats import beat_seconds
from harness.store.observing import Watch
from harness.store.workers import GONE, SUFFIX

MOST_LOOKS = 200
"""Looks at single files that all processes together spend on each other in one round."""
CROWD = 50
"""From this number of processes on, each looks every second beat and not every beat."""


class Neighbours:
    """Watches the workers of other hosts, and gives those up that are gone.

    Args:
        folder: the folder with the files of the workers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watches: dict[str, Watch] = {}
        self._chance = random.SystemRandom()
        self._next = 0.0
        self.gone: Set[str] = frozenset()
        """The ids of workers that are known to be gone."""
        self.present: Set[str] = frozenset()
        """The ids of workers that have a file."""
        self.seconds = beat_seconds()
        """Time between two rounds."""

    def look(self) -> None:
        """Look at the folder, if that is due. A folder that cannot be read now is looked at again later."""
        if (now := time.monotonic()) < self._next:
            return
        try:
            names = os.listdir(self._folder)
        except OSError:
            names = []
        self.seconds = beat_seconds() * (1 if len(names) < CROWD else 2)
        self._next = now + self.seconds
        self.gone = frozenset(name.removesuffix(GONE) for name in names if name.endswith(GONE))
        self.present = frozenset(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
        far = {worker for worker in self.present - self.gone if (process := ProcessId.of(worker)) and not process.is_here}
        self._watch(far, len(names))

    def _watch(self, far: Set[str], workers: int) -> None:
        """Go on with the watches of this process, and begin others as far as there is room."""
        room = max(1, MOST_LOOKS // max(1, workers))
        self._watches = {worker: watch for worker, watch in self._watches.items() if worker in far}
        new = sorted(far - self._watches.keys())
        for worker in self._chance.sample(new, min(len(new), max(0, room - len(self._watches)))):
            self._watches[worker] = Watch.of_worker(self._folder, worker)
        for worker, watch in list(self._watches.items()):
            if watch.look():
                watch.give_up()
                self.gone |= {worker}
            elif watch.has_changed and len(far) > room:
                del self._watches[worker]  # it lives, and another one has its turn
