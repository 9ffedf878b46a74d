"""Faults of a board: they are gathered while the file is read, each with its line, and raised together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.board.reading.schema_keys import fields_at
from harness.board.reading.yaml_file import Location, YamlFile
from harness.errors import Faults, UserError, nearest


class FaultList:
    """The faults that were found so far."""

    def __init__(self, source: YamlFile) -> None:
        self._source = source
        self._faults: set[tuple[int, str]] = set()
        """The line and the text of each fault."""

    def add(self, location: Location, text: str) -> None:
        """Add a fault at a key of the file."""
        self._add_message(location, f"{self._source.where(location)}: {text}")

    @contextmanager
    def catching(self, location: Location) -> Iterator[None]:
        """Add a UserError of the block as a fault at a key of the file. The reading then goes on after the block.

        The message of the error must say itself where it is.
        """
        try:
            yield
        except UserError as error:
            self._add_message(location, str(error))

    def add_invalid(self, error: ValidationError, prefix: Location, schema: type[BaseModel]) -> None:
        """Add everything that pydantic found wrong with the values of `schema` that stand at `prefix`."""
        for details in error.errors():
            # pydantic names the branches of unions and dict keys in `loc`; only parts that stand in the file are kept.
            path = tuple(part for part in details["loc"] if part != "[key]" and not str(part).startswith("function-"))
            location = self._source.as_written((*prefix, *path))
            self.add(location, _invalid_text(details, ".".join(map(str, location)), path, schema))

    def as_error(self) -> Faults:
        """Return all faults as one error, in the order of the file, each once."""
        return Faults(text for _, text in sorted(self._faults))

    def raise_any(self) -> None:
        """Raise all faults together. Raises: Faults if there are any."""
        if self._faults:
            raise self.as_error()

    def _add_message(self, location: Location, message: str) -> None:
        self._faults.add((self._source.line(location), message))


_UNQUOTED: Mapping[object, str] = {
    True: "; YAML reads yes, on and true as a truth value: write the text in quotes",
    False: "; YAML reads no, off and false as a truth value: write the text in quotes",
    None: "; YAML reads null, ~ and nothing at all as no value: write the text in quotes",
}
"""What to do about a truth value, or no value, where a text must be."""
_NUMBER = "; a number that is a text needs quotes"


def _invalid_text(details: ErrorDetails, key: str, path: Location, schema: type[BaseModel]) -> str:
    """The text for one thing that pydantic found wrong with the value of `key`, which `path` leads to in the schema."""
    if details["type"] == "extra_forbidden":
        keys = fields_at(schema, path[:-1])
        return f"no key is called {key!r} here; {nearest(str(path[-1]), keys)}keys: {', '.join(keys)}"
    if details["type"] == "missing":
        return f"{key!r} is missing"
    message, value = details["msg"].removeprefix("Value error, "), details["input"]
    shown = "" if isinstance(value, dict | list) else f", got {value!r}"
    if details["type"] == "string_type" and isinstance(value, bool | int | float | None):
        shown += _UNQUOTED.get(value, _NUMBER) if isinstance(value, bool | None) else _NUMBER
    return f"{key}: {message[:1].lower()}{message[1:]}{shown}" if key else message
