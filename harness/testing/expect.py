"""What a conformance check raises. Not a bare `assert`, which `python -O` removes."""

from __future__ import annotations


def expect(condition: object, message: str) -> None:
    """Raises: AssertionError with this message unless the condition holds."""
    if not condition:
        raise AssertionError(message)
