"""The log of a training on disk: a line of JSON each time that the loop logs, which goes on where a checkpoint does.

```
{"training": "0123…"}                                   the first line: key of the stage that trains
{"step": 100, "images": 6400, "values": {"loss": 0.5}}  means since the line before
{"step": 100, "images": 6400, "values": {"curve": 2.1}} a point of the curve
```
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import UserError
from harness.store.files import storage, write_text
from harness.store.reading import NotRegular, read_bytes

FILE = "log.jsonl"
"""The name of the file in the folder of a stage."""
LARGEST = 2**27
"""Bytes of the largest log that is read: more than a million lines."""


@dataclass(frozen=True)
class LogLine:
    """One entry of a log.

    Args:
        step: steps taken.
        images: training images seen.
        values: the mean of each scalar that the method logged since the line before; at a point of the curve, only `curve`.
    """

    step: int
    images: int
    values: Mapping[str, float]


class TrainingLog:
    """Writes the log of one training. Each line is on its way to the disk when `add` returns: a killed process loses none.

    Args:
        path: the file.
        key: key of the stage that trains, which the first line names.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.lines = 0
        """Lines so far, without the first one, over all resumes."""

    def begin(self, step: int | None, lines: int | None = None) -> None:
        """Begin the log, or go on with it after a checkpoint. Raises: StorageError.

        Args:
            step: the checkpoint's step, up to which lines are kept: training will log the later ones again. None for training
                from the start, which keeps no line.
            lines: how many lines there were at the checkpoint: lines of its own step may have come after it. None keeps those
                too.
        """
        kept = [] if step is None else [line for line in read_log(self.path, self.key) if line.step <= step][:lines]
        self.lines = len(kept)
        write_text(self.path, "".join(f"{_text(line)}\n" for line in [{"training": self.key}, *map(asdict, kept)]))

    def add(self, line: LogLine) -> None:
        """Append a line. Raises: StorageError."""
        with storage(self.path), self.path.open("ab", buffering=0) as file:
            file.write(f"{_text(asdict(line))}\n".encode())
        self.lines += 1

    def take(self, path: Path, key: str) -> None:
        """Write the lines of another training's log under this log's own key. Raises: StorageError; UserError, as `read_log`."""
        self.begin(None)
        for line in read_log(path, key):
            self.add(line)

    def sync(self) -> None:
        """Wait until the disk has all lines, so that no checkpoint is ahead of its log. Raises: StorageError."""
        with storage(self.path), self.path.open("rb") as file:
            os.fsync(file.fileno())


def keep_log(log: TrainingLog | None, folder: Path) -> None:
    """Copy the log of a finished training into the folder of its output. Raises: StorageError."""
    if log is not None:
        with storage(folder):
            shutil.copyfile(log.path, folder / FILE)


def read_log(path: Path, key: str) -> list[LogLine]:
    """Return the lines of a log, in their order; none where there is no log, one of another training, or one above LARGEST.

    A line that is damaged, such as the last one of a process that the machine took down, is left out: a log is a picture of a
    training, and no number depends on it.

    Args:
        key: key of the stage that trained.
    Raises: UserError for a pipe or a device in the place of the log.
    """
    try:
        head, *lines = read_bytes(path, largest=LARGEST).decode("utf-8").splitlines()
        if json.loads(head) != {"training": key}:
            return []
    except NotRegular as error:
        raise UserError(f"{path}: {error.strerror}; move it away") from None
    except (OSError, ValueError, RecursionError):
        return []
    return [line for line in map(parsed_line, lines) if line is not None]


def parsed_line(text: str) -> LogLine | None:
    """Return a line of a log after the first one; None for one that is damaged."""
    try:
        line = LogLine(**json.loads(text))
        values = {str(name): float(value) for name, value in line.values.items()}
        return LogLine(int(line.step), int(line.images), values)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _text(entry: Mapping[str, object]) -> str:
    return json.dumps(entry, allow_nan=False)
