"""Escape plain text for markdown and LaTeX."""

from __future__ import annotations

import re

_MARKDOWN_MARKUP = {
    **{letter: f"\\{letter}" for letter in "\\|*_`$~"},
    "<": "&lt;",  # an entity, since some readers of markdown take no backslash before it
    "\n": " ",
    "\r": " ",
}
_ENTITY = re.compile(r"&(?=#?\w+;)")
_LINK = re.compile(r"\](?=[(\[])")


def markdown_text(text: str) -> str:
    """Return plain text as it must stand in markdown, in a table or out of it: no tag, formula, link or emphasis comes of it."""
    without_entities = _ENTITY.sub("&amp;", text)
    return _LINK.sub(r"\]", "".join(_MARKDOWN_MARKUP.get(letter, letter) for letter in without_entities))


_LATEX_MARKUP = {
    **{letter: rf"\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # In LaTeX's default encoding of fonts these are other letters.
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "\n": " ",
    "\r": " ",
    "×": r"$\times$",
    "±": r"$\pm$",
    "−": "$-$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "→": r"$\to$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "λ": r"$\lambda$",
    "σ": r"$\sigma$",
}


def latex_text(text: str) -> str:
    """Return plain text as it must stand in LaTeX."""
    return "".join(_LATEX_MARKUP.get(letter, letter) for letter in text)
