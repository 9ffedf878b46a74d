"""Reading of files that anybody may have put where they lie: regular files only, of a bounded size, and text in UTF-8."""

from __future__ import annotations

import codecs
import errno
import io
import os
import stat
from pathlib import Path

from harness.errors import UserError

LARGEST_TEXT = 64 * 2**20
"""Bytes of the largest text file that is read: a record, a preview, a table of reported numbers, settings."""

_OTHER_ENCODINGS = ((codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"))
"""The first bytes of texts in other encodings, and the names of these encodings."""


class NotRegular(OSError):
    """A pipe, a socket or a device stands where a file must be. Reading it could take for ever."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(errno.EINVAL, "a pipe or a device stands where a file must be", str(path))


def check_regular(path: Path | str) -> None:
    """Raises: NotRegular unless the path leads to a file; IsADirectoryError for a folder; OSError when it leads to nothing."""
    _check_mode(os.stat(path).st_mode, path)


def open_regular(path: Path | str) -> io.BufferedReader:
    """Open a file for reading. Raises: NotRegular, without waiting for anything; OSError like `open`."""
    # Without O_NONBLOCK, opening a pipe waits until another process writes into it.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    try:
        _check_mode(os.fstat(handle).st_mode, path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bytes(path: Path | str, *, largest: int = LARGEST_TEXT) -> bytes:
    """Return the content of a file.

    Args:
        largest: the largest number of bytes that is read.
    Raises: NotRegular; OSError like `open`, and for a file that is larger.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > largest:
            raise OSError(errno.EFBIG, f"it is larger than {largest:,} bytes", str(path))
        return file.read()


def read_text(path: Path | str, *, largest: int = LARGEST_TEXT) -> str:
    """Return a text file in UTF-8, with or without a byte-order mark, its line ends as they are.

    Raises: OSError like `read_bytes`; UserError, with the line, for a file in another encoding.
    """
    return decoded(read_bytes(path, largest=largest), path)


def decoded(content: bytes, path: Path | str) -> str:
    """Return the text in the bytes of a file. Raises: UserError, with the line, for bytes that are no UTF-8."""
    for mark, encoding in _OTHER_ENCODINGS:
        if content.startswith(mark):
            raise UserError(f"{path}:1: the text is in {encoding}; save the file in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec counts from the end of the mark.
        start = error.start + (len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0)
        line = content.count(b"\n", 0, start) + 1
        raise UserError(f"{path}:{line}: byte 0x{content[start]:02x} is no UTF-8; save the file in UTF-8") from None


def _check_mode(mode: int, path: Path | str) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise NotRegular(path)
