"""The log of a training that another thread or process writes, read line by line as it grows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.training.training_log import LogLine, parsed_line


class FollowedLog:
    """Reads the new lines of a log, wherever its file is at the moment.

    Args:
        files: where the log may be, in the order in which it is looked for. It moves when a stage ends.
        key: key of the stage that trains; a log of another training is passed over.
    """

    def __init__(self, files: Sequence[Path], key: str) -> None:
        self._files, self._head = files, {"training": key}
        self._file: Path | None = None
        self._inode = self._offset = self._number = 0

    def new_lines(self) -> Iterator[tuple[int, LogLine]]:
        """Yield each whole line since the last call with its number, from 1.

        A log that was written anew, because training went on from a checkpoint, is read from its start: its lines come again
        under the same numbers.
        """
        for file in self._files:
            try:
                yield from self._read(file)
                return
            except (OSError, _OfAnotherTraining):
                continue

    def _read(self, file: Path) -> Iterator[tuple[int, LogLine]]:
        with file.open("rb") as opened:
            inode = os.fstat(opened.fileno()).st_ino
            if (file, inode) != (self._file, self._inode):
                self._check_head(opened.readline())
                self._file, self._inode, self._offset, self._number = file, inode, opened.tell(), 0
            opened.seek(self._offset)
            content = opened.read()
        whole = content[: content.rfind(b"\n") + 1]  # the last line may be on its way
        self._offset += len(whole)
        for text in whole.decode("utf-8", errors="replace").splitlines():
            self._number += 1
            if (line := parsed_line(text)) is not None:
                yield self._number, line

    def _check_head(self, head: bytes) -> None:
        try:
            is_ours = json.loads(head) == self._head
        except (ValueError, RecursionError):
            is_ours = False
        if not is_ours:
            raise _OfAnotherTraining


class _OfAnotherTraining(Exception):
    """The file is the log of another training, or no log."""
