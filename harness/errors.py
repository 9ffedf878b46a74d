"""The exceptions of the harness, and helpers that word errors which the user can fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Wrong input. The message says where the fault is, what it is, and what to do.

    The command prints the message, without a traceback, and ends with exit code 2.
    """


class Faults(UserError):
    """Several faults at once. The message has one line for each fault, in the order given, and each fault once."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(dict.fromkeys(map(one_line, faults)))
        super().__init__(self.faults)  # what pickle makes it of again, in another process

    def __str__(self) -> str:
        return "\n".join(self.faults)


def one_line(text: str) -> str:
    """Return text with its line ends and other control characters written out: a name of a file may hold `\\n`, or colours."""
    return "".join(
        letter.encode("unicode_escape").decode() if letter in _CONTROLS or ord(letter) < 32 else letter for letter in text
    )


_CONTROLS = frozenset("\x7f\x85\u2028\u2029")


def faults_of(error: UserError) -> tuple[str, ...]:
    """Return the message of an error as one line for each fault."""
    return error.faults if isinstance(error, Faults) else (one_line(str(error)),)


@contextmanager
def noted(faults: list[str]) -> Iterator[None]:
    """Catch a UserError that the block raises, and add its faults to `faults`. So one check can report all faults together."""
    try:
        yield
    except UserError as error:
        faults += faults_of(error)


class PluginFault(UserError):
    """A plugin is broken: it names a target that is not there, or gives something else than it must give.

    The author of the plugin must mend it: the message says what the component gave, and what it must give.
    """


class EndsTheRun(UserError):
    """A fault that would stop every cell of the board. The run stops at once, with this message."""


class Diverged(Exception):
    """Training or sampling left its range: numbers that are not finite, or a value above a column's `explodes_above`.

    The cell ends as `diverged`, and the text is its reason.
    """


class Interrupted(Exception):
    """The user asked to stop. The state is saved, and the next run goes on from there."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like the given one; None when no name is near."""
    names = list(known)
    near = [candidate for candidate in names if candidate.lower() == name.lower()]
    near = near or difflib.get_close_matches(name, names, n=1)
    return near[0] if near else None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the hint `did you mean 'x'? `, or "" when no known name is near."""
    near = closest(name, known)
    return "" if near is None else f"did you mean {near!r}? "


def unknown(kind: str, name: str, known: Iterable[str], *, where: str, given: str = "there are") -> UserError:
    """Return the error for a name that nothing of its kind has.

    Args:
        given: what the known names are, in words before a colon.
    """
    names = sorted(known)
    return UserError(f"{where}: no {kind} is called {name!r}; {nearest(name, names)}{given}: {', '.join(names) or 'none'}")


def first_line(text: str) -> str:
    """Return the first line of a text that is not empty; "" where there is none."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def error_text(error: BaseException) -> str:
    """Return the class and the text of an error, `ValueError: not so`; of one without a text the class alone.

    The text of a UserError is written for its reader, and needs no class.

    What no text file can hold, such as half of a surrogate pair, is written as an escape.
    """
    try:
        text = str(error).strip()
    except Exception:  # the error may be of a plugin's class, whose __str__ fails
        text = ""
    if isinstance(error, UserError) and text:
        return as_utf8(text)
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    return as_utf8(f"{name}: {text}" if text else name)


def in_one_line(error: BaseException, *, limit: int = 500) -> str:
    """Return the class and the text of an error as one line, cut after `limit` characters."""
    line = one_line(" ".join(error_text(error).split()))
    return line if len(line) <= limit else f"{line[:limit]}…"


def as_utf8(text: str) -> str:
    """Return a text that can be written as UTF-8: halves of surrogate pairs become escapes."""
    return text.encode(errors="backslashreplace").decode()
