"""A small file in the runs folder says what a tracker has logged of a cell or base, so that a killed cell goes on in its run."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from harness.store.reading import read_bytes

LARGEST = 2**16
"""Bytes of the largest file that is read."""


@dataclass
class TrackedState:
    """The state of one run.

    Args:
        run: id of the run.
        seen: how many lines of each stage's log have been logged, with the key of the stage.
        is_finished: whether the final values were logged; the next training of this name is a new run.
        is_resumed: whether an earlier process began the run.
    """

    path: Path
    run: str = field(default_factory=lambda: uuid4().hex[:16])
    seen: dict[str, tuple[str, int]] = field(default_factory=dict)
    is_finished: bool = False
    is_resumed: bool = False

    @classmethod
    def of(cls, path: Path, stage: str, key: str) -> TrackedState:
        """Return the state that a killed process left, or a new one.

        Args:
            stage, key: of the training that goes on. The state is another run's where it has another key for the stage.
        """
        left = _read(path)
        if left is None or left.is_finished or (stage in left.seen and left.seen[stage][0] != key):
            return cls(path)
        return left

    def has(self, stage: str, number: int) -> bool:
        """Return whether the line with this number has been logged."""
        return self.follows(stage) and number <= self.seen[stage][1]

    def follows(self, stage: str) -> bool:
        """Return whether a line of this stage's log has been logged."""
        return stage in self.seen

    def note(self, stage: str, key: str, number: int) -> None:
        """Note that a line is logged. The caller logs it next: a kill in between loses one line, and no line comes twice."""
        self.seen[stage] = key, number
        self.save()

    def finish(self) -> None:
        """Note that the final values are logged."""
        self.is_finished = True
        self.save()

    def save(self) -> None:
        """Write the file, whole or not at all. It is not synced: a machine that goes down may log its last lines again."""
        content = {"run": self.run, "seen": self.seen, "is_finished": self.is_finished}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        scratch.write_text(json.dumps(content), encoding="utf-8")
        scratch.replace(self.path)


def _read(path: Path) -> TrackedState | None:
    """Return the state in a file; None where there is none, or a damaged one."""
    try:
        content = json.loads(read_bytes(path, largest=LARGEST))
        seen = {str(stage): (str(key), int(number)) for stage, (key, number) in content["seen"].items()}
        return TrackedState(path, str(content["run"]), seen, bool(content["is_finished"]), is_resumed=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
