"""Escape plain text for markdown and LaTeX."""

from __future__ import annotations


def markdown_text(text: str) -> str:
    """Return plain text as it must stand in a cell of a markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("\n", " ")


_LATEX_MARKUP = {
    **{letter: rf"\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
}


def latex_text(text: str) -> str:
    """Return plain text as it must stand in LaTeX."""
    return "".join(_LATEX_MARKUP.get(letter, letter) for letter in text)
