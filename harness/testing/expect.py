"""The failure of a conformance check: an AssertionError that says what is wrong. A bare `assert` is gone under `python -O`."""

from __future__ import annotations

from typing import TypeVar

from harness.targets import protocol_members

T = TypeVar("T")


def expect(condition: object, message: str) -> None:
    """Check a condition. Raises: AssertionError with this message unless the condition is true."""
    if not condition:
        raise AssertionError(message)


def expect_offers(value: object, expected: type[T], what: str) -> T:
    """Return a value that must be an `expected`: a class, or a Protocol whose members are looked for by name.

    Args:
        what: the value's name, with which the message begins.
    Raises: AssertionError that names the members which are missing.
    """
    if isinstance(value, expected):
        return value
    missing = [name for name in protocol_members(expected) if not hasattr(value, name)]
    lacks = f" without {', '.join(missing)}" if missing else ""
    raise AssertionError(f"{what} is a {type(value).__name__}{lacks}; it must be a {expected.__module__}.{expected.__name__}")
