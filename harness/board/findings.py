"""Claims in a board's findings: what the text compares, as placeholders that a page fills in and checks.

A claim is written `{{better ddpm-10/ddo than ddpm-10/none in sliced-w2}}`: a word, one or two rows, and columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
_FILLERS = frozenset({"than", "from", "to", "and", "in"})
ROWS_OF = {"value": 1, "difference": 2, "better": 2, "no-difference": 2, "at-floor": 1, "off-floor": 1}
"""The number of rows that each word takes."""


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


def claims_of(findings: str) -> Iterator[Claim]:
    """Yield the claims of a text in their order. Raises: ValueError for a placeholder that is no claim."""
    for placeholder in _PLACEHOLDER.finditer(findings):
        yield _parsed(placeholder[1])


def with_claims(findings: str, shown: Callable[[Claim], str]) -> str:
    """Return the text with `shown` of each claim in its place. Raises: ValueError as `claims_of` does."""
    return _PLACEHOLDER.sub(lambda placeholder: shown(_parsed(placeholder[1])), findings)


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
