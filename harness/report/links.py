"""Relative links in Markdown that people write in board.yaml, for a page that stands in another folder than the board."""

from __future__ import annotations

import os
import re
from pathlib import Path

_LINK = re.compile(r"(?P<start>(?<!\\)\]\(|\b(?:src|href)=\")(?P<target>[^)\s\"#]+)")
_NOT_RELATIVE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|/")


def with_links_from(text: str, folder: Path, page_folder: Path) -> str:
    """Return Markdown whose relative links, written from `folder`, lead to the same places from `page_folder`."""
    base = folder.resolve()
    if base == page_folder.resolve():
        return text

    def turned(link: re.Match[str]) -> str:
        target = link["target"]
        if _NOT_RELATIVE.match(target):
            return link[0]
        slash = "/" if target.endswith("/") else ""
        return link["start"] + Path(os.path.relpath(base / target, page_folder.resolve())).as_posix() + slash

    return _LINK.sub(turned, text)
