"""Members of zip archives, by the names that they would have as files. Nothing is ever extracted to disk."""

from __future__ import annotations

import contextlib
import lzma
import re
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from harness.errors import UserError
from harness.store.reading import check_regular

DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError, NotImplementedError,
    RuntimeError, OverflowError, IndexError, KeyError,
)  # fmt: skip
"""The exceptions that reading a damaged or encrypted archive, or a damaged member of any compression, can raise."""
_UTF8 = 0x800
"""The flag of a member whose name is in UTF-8."""
_DRIVE = re.compile("^[A-Za-z]:/")
"""A drive of Windows, backslashes written as slashes. A letter and a colon without a slash begin a name: `a:1.png`."""


def members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the files of an archive by their plain names (`plain_name`).

    Raises: UserError when the archive is damaged, or holds a name twice, or when a name leads out of the archive.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as file:
            for member in file.infolist():
                name = plain_name(member, where=str(path))
                if member.is_dir() or member.filename.endswith("\\"):
                    continue
                if name in found:
                    raise UserError(f"{path}: holds {name} twice; write the archive again, each image once")
                found[name] = member
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except DAMAGE as error:
        raise UserError(f"{path}: cannot be read as a zip archive: {error}") from error
    return found


def plain_name(member: zipfile.ZipInfo, *, where: str) -> str:
    """Return a member's name as a path inside the archive, with slashes.

    Some tools write backslashes, a leading `./`, a root or a drive (`C:\\`). All of these come off, since nothing is extracted. A
    name without the flag of UTF-8 whose bytes are UTF-8 is read as UTF-8, because macOS and older tools do not set the flag.
    Raises: UserError, beginning with `where`, for a name with `..`.
    """
    name = member.filename
    if not member.flag_bits & _UTF8:
        with contextlib.suppress(UnicodeError):  # the name is in another encoding, and keeps its letters of cp437
            name = name.encode("cp437").decode("utf-8")
    parts = PurePosixPath(_DRIVE.sub("/", name.replace("\\", "/"))).parts
    if ".." in parts:
        raise UserError(f"{where}: {name!r} leads out of the archive; it is not read at all")
    return str(PurePosixPath(*(part for part in parts if part.strip("/"))))
