"""The standard streams of a process: readers that go away, descriptors that are closed, and encodings that lack characters."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LOST_READER = (errno.EPIPE, errno.ECONNRESET)
"""Error numbers of a write to a pipe or a connection whose reader is gone."""


class StdoutFailed(OSError):
    """Output on stdout could not be written: the disk is full, or stdout is closed."""


class _Descriptor(io.RawIOBase):
    """Writes whole blocks to a file descriptor. Raises: StdoutFailed for errors that are not ignored.

    Args:
        ignored: numbers of the errors after which all further output is dropped; None: every error.
    """

    def __init__(self, descriptor: int, ignored: tuple[int, ...] | None) -> None:
        self._descriptor, self._ignored = descriptor, ignored
        self._is_lost = False

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, block: ReadableBuffer, /) -> int:
        rest = memoryview(block).cast("B")
        length = len(rest)
        while rest and not self._is_lost:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # somebody else has set the terminal or pipe to return at once
                select.select([], [self._descriptor], [])
            except OSError as error:
                self._is_lost = True  # so that the end of the process does not try again
                if self._ignored is not None and error.errno not in self._ignored:
                    raise StdoutFailed(error.errno, error.strerror) from None
        return length


def guard_stderr() -> None:
    """Let nothing that happens to stderr stop this process: when it cannot be written, what goes there is dropped.

    `harness run BOARD 2>&1 | head -1` thus runs to its end. Nothing happens where another object stands for sys.stderr.
    """
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(2, sys.stderr, None)


def guard_stdout() -> None:
    """Drop what goes to stdout once its reader is gone, as of `harness list | head -1`. Other errors raise StdoutFailed.

    Characters that the encoding of stdout lacks are written as escapes.
    """
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(1, sys.stdout, LOST_READER)


def open_closed() -> None:
    """Open every standard descriptor that is closed, so that no file of the process takes its number.

    What is written to a stdout that was closed still fails, since nobody gets it; stderr is dropped.
    """
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest number that is free, which is this one


def _text(descriptor: int, before: TextIO | None, ignored: tuple[int, ...] | None) -> TextIO:
    if before is not None:
        before.flush()
    encoding = "utf-8" if before is None else before.encoding
    raw = _Descriptor(descriptor, ignored)
    # Progress must appear at once; a page on stdout goes out in blocks, unless somebody watches.
    at_once = descriptor == 2 or raw.isatty()
    buffer = io.BufferedWriter(raw)
    return io.TextIOWrapper(buffer, encoding, "backslashreplace", line_buffering=at_once, write_through=descriptor == 2)
