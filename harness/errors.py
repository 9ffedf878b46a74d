"""The one class for mistakes that a user can mend, and the sentences they read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Wrong input: one message that says where, what, and what to do. The command ends with exit code 2, no traceback."""


class Faults(UserError):
    """Several faults at once, one a line, in the order in which they stand in the file."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


@contextmanager
def noted(faults: list[str]) -> Iterator[None]:
    """A UserError of the block is added to the faults, and what comes after the block is checked as well."""
    try:
        yield
    except UserError as error:
        faults += str(error).splitlines()


class EndsTheRun(UserError):
    """Wrong input that no cell of the board can do without: the run stops at once, with this as its message."""


class Diverged(Exception):
    """Training or sampling left the finite numbers; the cell ends as `diverged`, with this text as its reason."""


class Interrupted(Exception):
    """The user asked to stop; the state has been saved and the next run goes on from there."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one; None when none is near."""
    names = list(known)
    near = [one for one in names if one.lower() == name.lower()] or difflib.get_close_matches(name, names, n=1)
    return near[0] if near else None


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint `did you mean 'x'? `, or nothing when no known name is near."""
    near = closest(name, known)
    return "" if near is None else f"did you mean {near!r}? "


def unknown(kind: str, name: str, known: Iterable[str], *, where: str) -> UserError:
    """The error for a name that nothing installed answers to."""
    names = sorted(known)
    return UserError(f"{where}: no {kind} is called {name!r}; {nearest(name, names)}installed: {', '.join(names) or 'none'}")
