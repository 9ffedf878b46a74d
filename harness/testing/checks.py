"""Checks as values: what a suite yields one after the other, so that a report can name each, and go on after one that fails."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import partial

Check = Callable[[], object]
"""A check with its arguments. It raises AssertionError, with what to change, where a promise is broken."""
Checks = Iterator[Check]
"""Checks in their order. What several of them share is made between two of them, when the iterator goes on."""


def run_all(checks: Iterable[Check]) -> None:
    """Run checks in their order. Raises: AssertionError of the first that fails."""
    for check in checks:
        check()


def title(check: Check) -> str:
    """Return what a check looks at: the first sentence of its docstring, without "Check that"; its name where it has none."""
    function: object = check.func if isinstance(check, partial) else check
    text = inspect.getdoc(function) or ""
    sentence = " ".join(text.partition("\n\n")[0].split()).partition(". ")[0].removesuffix(".")
    name = str(getattr(function, "__name__", "check")).removeprefix("check_").replace("_", " ")
    return sentence.removeprefix("Check that ").replace(", and that ", ", and ") or name
