"""Claims in a board's findings: what the text compares, as placeholders that a page fills in and checks.

A claim is written `{{better ddpm-10/ddo than ddpm-10/none in sliced-w2}}`: a word, one or two rows, and columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

OPENING, CLOSING = "{{", "}}"
_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_MARKS = re.compile(r"\{{2,}|\}{2,}")
_FILLERS = frozenset({"than", "from", "to", "and", "in"})
ROWS_OF = {"value": 1, "difference": 2, "better": 2, "no-difference": 2, "at-floor": 1, "off-floor": 1}
"""The number of rows that each word takes."""
_ABOUT_MARKS = "a claim is {{WORD ROW … in COLUMN}}, without braces inside; in other text put a space between two braces"


@dataclass(frozen=True)
class Claim:
    """A claim, as it is written.

    Args:
        word: one of ROWS_OF.
        rows: names of rows, as `base/method` or `base/method/n500`.
        columns: names of columns, at least one.
    """

    text: str
    word: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]

    def in_column(self, column: str) -> str:
        """Return the claim in one of its columns, as it would be written: `better a/ddo than a/none in w2`."""
        between = " than " if self.word == "better" else " to "
        return f"{self.word} {between.join(self.rows)} in {column}"


class NoClaim(ValueError):
    """A text in braces is no claim, or braces are left over.

    Args:
        mark: the two braces that begin a claim, or those that end one. place: where they stand in the findings.
    """

    def __init__(self, text: str, mark: str, place: int) -> None:
        super().__init__(text)
        self.mark, self.place = mark, place


def read_claims(findings: str) -> Iterator[tuple[int, Claim | NoClaim]]:
    """Yield the claims of a text and what is no claim, in their order, each with its place in the text."""
    end = 0
    for placeholder in _PLACEHOLDER.finditer(findings):
        yield from _left_over(findings, end, placeholder.start())
        try:
            yield placeholder.start(), _parsed(placeholder[1])
        except ValueError as error:
            yield placeholder.start(), NoClaim(str(error), OPENING, placeholder.start())
        end = placeholder.end()
    yield from _left_over(findings, end, len(findings))


def claims_of(findings: str) -> Iterator[Claim]:
    """Yield the claims of a text in their order. Raises: NoClaim for a placeholder or double braces that are no claim."""
    for _, claim in read_claims(findings):
        if isinstance(claim, NoClaim):
            raise claim
        yield claim


def with_claims(findings: str, shown: Callable[[Claim], str]) -> str:
    """Return the text with `shown` of each claim in its place. Raises: ValueError for a placeholder that is no claim."""
    return _PLACEHOLDER.sub(lambda placeholder: shown(_parsed(placeholder[1])), findings)


def _left_over(findings: str, start: int, end: int) -> Iterator[tuple[int, NoClaim]]:
    """Yield the double braces between two claims: those of a claim that is not closed, or not opened, would stand on the page."""
    for marks in _MARKS.finditer(findings, start, end):
        opens = marks[0].startswith(OPENING)
        mark, missing = (OPENING, CLOSING) if opens else (CLOSING, OPENING)
        first, last = (marks.start(), marks.start() + 40) if opens else (marks.end() - 40, marks.end())
        quoted = " ".join(findings[max(start, first) : min(end, last)].split())
        text = f"{quoted!r} has {mark} without {missing}: {_ABOUT_MARKS}"
        yield marks.start(), NoClaim(text, mark, marks.start())


def _parsed(text: str) -> Claim:
    text = " ".join(text.split())
    word, *names = text.split() or [""]
    if word not in ROWS_OF:
        raise ValueError(f"{{{{{text}}}}} begins with none of: {', '.join(ROWS_OF)}")
    names = [name for name in names if name not in _FILLERS]
    rows = tuple(name for name in names if "/" in name)
    columns = tuple(name.removesuffix(",") for name in names if "/" not in name)
    if len(rows) != ROWS_OF[word] or not columns:
        need = "a row" if ROWS_OF[word] == 1 else "two rows"
        raise ValueError(f"{{{{{text}}}}} needs {need}, as base/method, and a column")
    return Claim(text, word, rows, columns)
