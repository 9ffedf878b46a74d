"""Faults of a board: they are gathered while the file is read, each with its line, and raised together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import BaseModel, ValidationError

from harness.board.reading.schema_keys import fields_at
from harness.board.reading.yaml_file import Location, YamlFile
from harness.errors import Faults, UserError, faults_of, nearest
from harness.validation import SettingFault, setting_faults


class FaultList:
    """The faults that were found so far."""

    def __init__(self, source: YamlFile) -> None:
        self._source = source
        self._faults: set[tuple[int, str]] = set()
        """The line and the text of each fault."""

    def add(self, location: Location, text: str) -> None:
        """Add a fault at a key of the file."""
        self._add_message(location, f"{self._source.where(location)}: {text}")

    def add_at(self, line: int, text: str) -> None:
        """Add a fault on a line of the file."""
        self._faults.add((line, f"{self._source.path}:{line}: {text}"))

    @contextmanager
    def catching(self, location: Location) -> Iterator[None]:
        """Add a UserError of the block as a fault at a key of the file. The reading then goes on after the block.

        The message of the error must say itself where it is.
        """
        try:
            yield
        except UserError as error:
            for fault in faults_of(error):
                self._add_message(location, fault)

    def add_invalid(self, error: ValidationError, prefix: Location, schema: type[BaseModel], settings: object) -> None:
        """Add everything that pydantic found wrong with `settings`, values of `schema` that stand at `prefix`."""
        for fault in setting_faults(error, settings, schema):
            location = self._source.as_written((*prefix, *fault.location))
            self.add(location, _invalid_text(fault, ".".join(map(str, location)), schema))

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


def _invalid_text(fault: SettingFault, key: str, schema: type[BaseModel]) -> str:
    """The text for one thing that pydantic found wrong with the value of `key`, which `fault.path` leads to in the schema."""
    if fault.kind == "extra_forbidden":
        keys = fields_at(schema, fault.path[:-1])
        return f"no key is called {key!r} here; {nearest(str(fault.path[-1]), keys)}keys: {', '.join(keys)}"
    if fault.kind == "missing":
        return f"{key!r} is missing"
    text, value = fault.text, fault.given
    if fault.kind == "string_type" and isinstance(value, bool | int | float | None):
        text += _UNQUOTED.get(value, _NUMBER) if isinstance(value, bool | None) else _NUMBER
    return f"{key}: {text}" if key else text
