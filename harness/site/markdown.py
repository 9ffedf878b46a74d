"""Markdown of boards as HTML. Whoever wrote it: no script, no raw HTML and no picture comes of it, and no link leaves http."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

LinkTarget = Callable[[str], str | None]
"""Gives the address that a link of a page leads to, for the one that is written; None for a link that leads nowhere."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_OUTSIDE = ("https:", "http:", "mailto:")
_ALIGNED = {"text-align:right": "right", "text-align:center": "centre"}
LOWEST_HEADING = 6
HEADINGS_BELOW = 2
"""Levels that headings move down: the page has a title and sections of its own."""


def html_of(text: str, target: LinkTarget) -> Markup:
    """Return Markdown as HTML. Tags in the text are shown as they are written."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for token in tokens:
        _see_to(token, target)
    # The renderer escapes all text; its options forbid raw HTML, and `_see_to` has looked at every address.
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))


def inline_html_of(text: str, target: LinkTarget) -> Markup:
    """Return a line of Markdown as HTML without the paragraph around it."""
    return Markup(html_of(text, target).strip().removeprefix("<p>").removesuffix("</p>"))


def _see_to(token: Token, target: LinkTarget) -> None:
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(int(token.tag[1:]) + HEADINGS_BELOW, LOWEST_HEADING)}"
    if (style := token.attrs.pop("style", None)) is not None:  # the pages' policy allows no styles in tags
        token.attrs["class"] = _ALIGNED.get(str(style), "")
    _see_to_links(token.children or [], target)


def _see_to_links(tokens: list[Token], target: LinkTarget) -> None:
    """Turn the links among the tokens of a line; hide those that lead nowhere, and write pictures out as their text."""
    are_hidden: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            address = target(str(token.attrs.get("href", "")))
            token.hidden = address is None
            are_hidden.append(token.hidden)
            if address is not None:
                token.attrs = {"href": address, **({"rel": "noreferrer"} if _SCHEME.match(address) else {})}
        elif token.type == "link_close":
            token.hidden = are_hidden.pop()
        elif token.type == "image":  # a picture elsewhere would be a request that leaves the machine
            token.type, token.tag, token.children = "text", "", None


def targets_from(folder: Path, pages: dict[Path, str]) -> LinkTarget:
    """Return the targets of links that are written relative to a board's folder.

    Args:
        pages: the address of each board's page, by the resolved folder of the board.
    """
    base = folder.resolve()

    def target(written: str) -> str | None:
        if _SCHEME.match(written):
            return written if written.lower().startswith(_OUTSIDE) else None
        if written.startswith(("/", "#", "?", "\\")) or not written:
            return None
        path = Path(base / written.partition("#")[0]).resolve()
        return pages.get(path) or pages.get(path.parent)

    return target
