"""The last step of reading: holders of arrays, numbers and tables become plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from harness.weights.pickles.containers import Call, Finished
from harness.weights.pickles.networks import Container, Persistent
from harness.weights.pickles.numpy_arrays import Array, NumberType
from harness.weights.pickles.opcodes import RefusedPickle
from harness.weights.pickles.torch_tensors import Storage

_KEYS = (str, bytes, int, float, type(None))
"""The types that keys of dictionaries and members of sets may have."""


@dataclass
class Resolver:
    """Replaces every holder in a nested value by its plain value. Each value is resolved once, even if it occurs several times.

    Args:
        resolved: the results so far, by the address of the value.
        alive: references to the values in `resolved`, so that Python does not reuse their addresses for other values.
    """

    resolved: dict[int, object] = field(default_factory=dict)
    alive: list[object] = field(default_factory=list)

    def resolve(self, value: object) -> object:
        """Return the value with every holder in it replaced. Raises: RefusedPickle for anything that is not data."""
        if id(value) in self.resolved:
            return self.resolved[id(value)]
        self.alive.append(value)
        if isinstance(value, dict):
            table: dict[object, object] = {}
            self.resolved[id(value)] = table
            for key, item in value.items():
                if not isinstance(key, _KEYS):
                    raise RefusedPickle(f"a dictionary has a key of type {type(key).__name__}")
                table[key] = self.resolve(item)
            return table
        if isinstance(value, list):
            items: list[object] = []
            self.resolved[id(value)] = items
            items.extend(self.resolve(item) for item in value)
            return items
        self.resolved[id(value)] = value  # a value may contain itself
        result = self._plain(value)
        self.resolved[id(value)] = result
        return result

    def _plain(self, value: object) -> object:
        if isinstance(value, tuple):
            return tuple(self.resolve(item) for item in value)
        if isinstance(value, Array):
            if value.value is None:
                raise RefusedPickle("a numpy array has no content")
            return value.value
        if isinstance(value, Finished):
            return value.value
        if isinstance(value, set | frozenset) and not all(isinstance(member, _KEYS) for member in value):
            raise RefusedPickle("a set has other members than text and numbers")
        if isinstance(value, Persistent | Container):
            value.state = cast("dict[str, object]", self.resolve(value.state))
        elif isinstance(value, type | Call | Storage | NumberType):
            raise RefusedPickle("it holds a function or a type as a value")
        return value
