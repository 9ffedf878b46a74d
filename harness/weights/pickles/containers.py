"""Stand-ins for the functions and the plain containers that a pickle may name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from harness.weights.pickles.guard import count_copy
from harness.weights.pickles.opcodes import RefusedPickle


class Call:
    """A wrapper of a function that a pickle may call. The wrapper has no attributes that a pickle could set."""

    __slots__ = ("_function",)
    _function: Callable[..., object]

    def __init__(self, function: Callable[..., object]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise RefusedPickle(f"the attribute {name!r} of a function is not data")

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("the state of a function is not data")


class PlainDict(dict[object, object]):
    """Stands in for a subclass of dict, such as OrderedDict. It has items, and no attributes that a pickle could set."""

    __slots__ = ()

    def __init__(self, items: object = ()) -> None:
        if not isinstance(items, list | tuple | dict):
            raise RefusedPickle("a dictionary is made of pairs")
        count_copy(len(items))
        super().__init__(items)

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("a dictionary has items only")


class Finished:
    """A holder of a complete tensor or number. Without the holder, a pickle could set the state of the object."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("a tensor or number has no further state")


def naturals(values: object) -> tuple[int, ...]:
    """Return `values` unchanged. Raises: RefusedPickle unless it is a tuple of integers from 0 to 2^62 - 1."""
    if not isinstance(values, tuple) or not all(type(value) is int and 0 <= value < 2**62 for value in values):
        # The message does not show the values: where each list holds the next one twice, their text grows as 2^levels.
        raise RefusedPickle("there is no tuple of sizes where one must be")
    return values


def make_set(items: object = ()) -> set[object]:
    """Stand in for `set(items)`."""
    if not isinstance(items, list | tuple):
        raise RefusedPickle("a set is made of a list")
    count_copy(len(items))
    return set(items)


def encode(text: object, encoding: object) -> bytes:
    """Stand in for `_codecs.encode(text, "latin1")`, by which pickles of protocol 2 write bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise RefusedPickle("_codecs.encode is allowed for latin1 only")
    count_copy(len(text))
    return text.encode("latin1")
