"""A cache with a bound: the values that were used last stay, the others go."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class MostRecent(Generic[K, V]):
    """Keeps the most recently used values.

    Args:
        limit: how many values are kept, at least 1.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: dict[K, V] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._values)

    def find(self, key: K) -> V | None:
        """Return the value if it is there."""
        if key not in self._values:
            return None
        self._values[key] = self._values.pop(key)
        return self._values[key]

    def keep(self, key: K, value: V) -> None:
        """Keep a value, in the place of an earlier one of the same key."""
        self._values.pop(key, None)
        self._make_room()
        self._values[key] = value

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value; `make` makes an absent one. The oldest value is dropped before that, to save memory."""
        if key not in self._values:
            self._make_room()
            self._values[key] = make()
        self._values[key] = self._values.pop(key)
        return self._values[key]

    def _make_room(self) -> None:
        while len(self._values) >= self._limit:
            del self._values[next(iter(self._values))]
