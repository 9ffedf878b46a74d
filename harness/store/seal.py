"""Seals: the second line of a JSON file holds a sha256 over every byte after that line. Records and manifests have one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

_SEALED = re.compile(rb'\{\n "sha256": "([0-9a-f]{64})",(\n.*\n\}\n)', re.DOTALL)


def sealed(content: Mapping[str, object]) -> str:
    """Return the text of a JSON file with this content and its seal. The content has at least one entry, and none is `sha256`."""
    body = json.dumps(content, indent=1).removeprefix("{") + "\n"
    return f'{{\n "sha256": "{_checksum(body.encode())}",{body}'


def seal_fault(content: bytes, kind: str) -> str | None:
    """Return what is wrong with the bytes of a sealed file; None when every byte is as it was written.

    Args:
        kind: what the file is, for the message: "record", "manifest".
    """
    # Git may have converted the line ends to those of another system; this is not damage.
    parts = _SEALED.fullmatch(content.replace(b"\r\n", b"\n") if b"\r" in content else content)
    if parts is not None and parts[1].decode() == _checksum(parts[2]):
        return None
    if parts is not None or _is_complete(content):
        return "its checksum does not match what the file holds, which was edited or damaged"
    return f"not a whole {kind}"


def seal_of(content: bytes) -> str | None:
    """Return the checksum that a sealed file holds, unchecked; None where it holds none. Copies have the same one."""
    parts = _SEALED.fullmatch(content.replace(b"\r\n", b"\n"))
    return None if parts is None else parts[1].decode()


def _is_complete(content: bytes) -> bool:
    """Return whether the file is JSON with a checksum, to its end: an editor or a script wrote it anew, say."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "sha256" in found


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
