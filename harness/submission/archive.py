"""Read a pack that somebody sent: names, sizes and number of its files are checked before any of them is read."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from harness.errors import UserError
from harness.images import zip_archives
from harness.submission.manifest import BOARD, ENVIRONMENT, MANIFEST, REPORTED

MOST_FILES = 200_000
LARGEST_FILE = 2**27
"""Bytes of the largest file of a pack, unpacked: eight times the largest record."""
LARGEST_PACK = 2**30
"""Bytes of all files of a pack together, unpacked."""
_RESULT = re.compile(r"results/(?!\.)[^/\\\x00-\x1f\x7f]{1,240}\.(json|log\.jsonl)")
_CHOSEN = re.compile(r"(?!results/)([A-Za-z0-9_-]{1,100}/){0,3}[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\.yaml")
"""A file of chosen settings in the board's folder. No folder has a dot in its name, so that the path leads nowhere else."""
_OTHERS = frozenset({MANIFEST, BOARD, ENVIRONMENT, REPORTED})


def read_pack(path: Path) -> dict[str, bytes]:
    """Return the files of a pack by name, in memory: nothing is written.

    Raises: UserError for a file that is no zip archive, names that no pack has or that lead out of it, names that come twice,
        more or larger files than a pack can have, and a member that is larger than it says.
    """
    members = zip_archives.members(path)
    if len(members) > MOST_FILES:
        raise UserError(f"{path}: holds {len(members):,} files; a pack has {MOST_FILES:,} at most")
    strange = [name for name, member in members.items() if member.filename != name or not _is_known(name)]
    if strange:
        raise UserError(f"{path}: holds {strange[0]!r}, which no pack holds; write packs with `harness submit`")
    too_large = [name for name, member in members.items() if member.file_size > LARGEST_FILE]
    if too_large or sum(member.file_size for member in members.values()) > LARGEST_PACK:
        what = (
            f"{too_large[0]} of {members[too_large[0]].file_size:,} bytes" if too_large else f"more than {LARGEST_PACK:,} bytes"
        )
        raise UserError(f"{path}: holds {what}, which is more than is read")
    if MANIFEST not in members or BOARD not in members:
        raise UserError(f"{path}: no pack: it lacks {MANIFEST if MANIFEST not in members else BOARD}")
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: _read(archive, member, path) for name, member in members.items()}
    except zip_archives.DAMAGE as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: cannot be read as a pack: {error}") from error


def is_chosen_file(name: str) -> bool:
    """Return whether a pack may hold a file of chosen settings under this path from the board's folder."""
    return _CHOSEN.fullmatch(name) is not None


def _is_known(name: str) -> bool:
    return name in _OTHERS or _RESULT.fullmatch(name) is not None or is_chosen_file(name)


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> bytes:
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)  # not a byte more: what it says of its size may be a lie
    if len(content) != member.file_size:
        raise UserError(f"{path}: {member.filename} is not as large as the archive says")
    return content
