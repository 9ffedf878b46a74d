"""Faults of a board: each with its file and line, gathered while it is checked and raised together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ValidationError

from harness.board.reading.schema_keys import fields_at
from harness.board.reading.yaml_file import Location, YamlFile
from harness.errors import Faults, UserError, nearest


class FaultList:
    """What was found so far, in any order."""

    def __init__(self, source: YamlFile) -> None:
        self._source = source
        self._texts: list[str] = []

    def add(self, location: Location, text: str) -> None:
        """A fault at a key of the file."""
        self._texts.append(f"{self._source.where(location)}: {text}")

    @contextmanager
    def noted(self) -> Iterator[None]:
        """A UserError of the block, which says itself where it is, is added; what comes after the block is checked as well."""
        try:
            yield
        except UserError as error:
            self._texts.append(str(error))

    def add_invalid(self, error: ValidationError, prefix: Location, schema: type[BaseModel]) -> None:
        """All that pydantic found wrong with the values of `schema` that stand at `prefix`."""
        for fault in error.errors():
            # pydantic names the branches of unions and dict keys in `loc`; only what stands in the file is kept.
            path = tuple(part for part in fault["loc"] if part != "[key]" and not str(part).startswith("function-"))
            written = self._source.as_written((*prefix, *path))
            key = ".".join(map(str, written))
            if fault["type"] == "extra_forbidden":
                known = fields_at(schema, path[:-1])
                text = f"no key is called {key!r} here; {nearest(str(path[-1]), known)}keys: {', '.join(known)}"
            elif fault["type"] == "missing":
                text = f"{key!r} is missing"
            else:
                text = _wrong_value(key, fault["msg"], fault["input"])
            self.add(written, text)

    def together(self) -> Faults:
        """All as one error, in the order of the file, each once."""
        return Faults(sorted(set(self._texts), key=_line_of))

    def stop(self) -> None:
        """Raises: Faults if there are any."""
        if self._texts:
            raise self.together()


def _wrong_value(key: str, message: str, given: object) -> str:
    message = message.removeprefix("Value error, ")
    shown = "" if isinstance(given, dict | list) else f", got {given!r}"
    return f"{key}: {message[:1].lower()}{message[1:]}{shown}" if key else message


def _line_of(fault: str) -> tuple[int, str]:
    for part in fault.split(":")[1:2]:
        if part.isdigit():
            return int(part), fault
    return 0, fault
