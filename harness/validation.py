"""Plain words for what pydantic finds wrong with settings. Every message about a setting takes its words from here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_WORDS = r"[a-z0-9]+([._-][a-z0-9]+)*"
# Two separators in a row are not allowed: file names of records join names with "__".
NAME = rf"^{_WORDS}$"
"""Pattern of the name of a base or a method."""
COLUMN = rf"^{_WORDS}(\[{_WORDS}\])?$"
"""Pattern of the name of a column."""
SHA256 = r"^[0-9a-f]{64}$"
"""Pattern of a hash."""
YAML_FILE = r"^[^/].*\.yaml$"
"""Pattern of the path of a YAML file from a folder."""
_NAME_TEXT = "must be a name of small letters and digits, with single . _ or - between them"
_PATTERN_TEXTS = {
    NAME: _NAME_TEXT,
    COLUMN: f"{_NAME_TEXT}; the name of an extractor may follow in [ ]",
    YAML_FILE: "must be the path of a .yaml file from the board's folder, such as searched/ddo.yaml",
    SHA256: "must be a sha256, 64 digits out of 0-9 and a-f",
}

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class SettingFault:
    """One fault of a value in settings.

    Args:
        location: keys, and places in lists, that lead to the value in the settings as the user wrote them.
        path: the same in the settings class, whose short forms are written in full; with pydantic's names of branches.
        kind: pydantic's name of the fault, such as `extra_forbidden`.
        text: the fault in words, such as "must be at least 1, got 0".
        given: the value.
    """

    location: Location
    path: Location
    kind: str
    text: str
    given: object

    @property
    def key(self) -> str:
        """The location as text: `training.ema.std`."""
        return ".".join(map(str, self.location))

    def __str__(self) -> str:
        if not self.location:
            return self.text
        return f"{self.key} {self.text}" if self.kind == "missing" else f"{self.key}: {self.text}"


def setting_faults(error: ValidationError, settings: object, schema: type[BaseModel] | None = None) -> list[SettingFault]:
    """Return all faults, each once, in pydantic's order.

    Of a value that fits no branch of a choice, such as a number or a mapping, the faults are those of the branch that it is
    nearest to.

    Args:
        settings: the value that was checked. Parts of pydantic's location that are not in it are pydantic's names of branches
            and functions, and no key of a user.
        schema: its description of a field is quoted where a text has a form that has no words here.
    """
    faults: dict[Location, list[ErrorDetails]] = {}
    for details in error.errors():
        faults.setdefault(_written(details, settings), []).append(details)
    deeper = [location for location in faults if location]
    found = []
    for location, same_place in faults.items():
        is_of_another_branch = any(other[: len(location)] == location != other for other in deeper)
        telling = [details for details in same_place if not _is_of_type(details)]
        if not telling and is_of_another_branch and location:
            continue
        told = telling or same_place
        text, first = _joined(_text(details, schema) for details in told), told[0]
        path = tuple(part for part in first["loc"] if part != "[key]" and not str(part).startswith("function-"))
        found.append(SettingFault(location, path, first["type"], text + _got(first), first["input"]))
    return found


def first_fault(error: ValidationError, settings: object, schema: type[BaseModel] | None = None) -> SettingFault:
    """Return the first of `setting_faults`."""
    return setting_faults(error, settings, schema)[0]


def _written(details: ErrorDetails, value: object) -> Location:
    """Return the parts of a location that are keys or places in the value, and the key that a mapping lacks."""
    written: Location = ()
    parts = details["loc"]
    for index, part in enumerate(parts):
        if isinstance(value, Mapping) and (key := _key(value, part)) is not None:
            written, value = (*written, part), value[key]
        elif isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
            written, value = (*written, part), value[part]
        elif details["type"] == "missing" and index == len(parts) - 1:
            written = (*written, part)
    return written


def _key(mapping: Mapping[object, object], part: str | int) -> object | None:
    """The key of a mapping that pydantic names so: keys that are no texts are named by their text."""
    return next((key for key in mapping if key == part or str(key) == str(part)), None)


def _is_of_type(details: ErrorDetails) -> bool:
    return details["type"].endswith(("_type", "_parsing")) or details["type"] in ("int_from_float", "none_required")


def _joined(texts: Iterator[str]) -> str:
    """Join the texts of the branches of a choice: "must be a number" and "must be a list" as "must be a number or a list"."""
    first, *others = dict.fromkeys(texts)
    return " or ".join([first, *(text.removeprefix("must be ") for text in others)])


def _got(details: ErrorDetails) -> str:
    value = details["input"]
    if details["type"] in ("missing", "extra_forbidden") or isinstance(value, Mapping | list | tuple | BaseModel):
        return ""
    shown = repr(value)
    # Descriptions of settings say "none", which YAML reads as a text.
    hint = "; where none is allowed, write null" if isinstance(value, str) and value.lower() == "none" else ""
    return f", got {shown if len(shown) <= 80 else f'{shown[:77]}…'}{hint}"


def _text(details: ErrorDetails, schema: type[BaseModel] | None) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        message = details["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        return message[:1].lower() + message[1:]
    if kind == "string_pattern_mismatch":
        return _PATTERN_TEXTS.get(str(context["pattern"])) or f"has another form than is asked for{_description(details, schema)}"
    if kind in _TEXTS:
        return _TEXTS[kind](context)
    return _by_type(kind) or f"is no value that fits{_description(details, schema)}"


def _by_type(kind: str) -> str | None:
    """The text for a value of another type, by the beginning of pydantic's name of the fault: `int_parsing`, `list_type`."""
    stem = max((stem for stem in _TYPES if kind.startswith(f"{stem}_")), key=len, default=None)
    return None if stem is None else f"must be {_TYPES[stem]}"


def _description(details: ErrorDetails, schema: type[BaseModel] | None) -> str:
    field = None if schema is None or not details["loc"] else schema.model_fields.get(str(details["loc"][0]))
    return "" if field is None or field.description is None else f" ({field.description})"


_TYPES = {
    "string": "a text", "bytes": "a text", "int": "a whole number", "float": "a number", "decimal": "a number",
    "fraction": "a number", "complex": "a number", "bool": "true or false", "dict": "a mapping of keys",
    "frozen_dict": "a mapping of keys", "ordered_dict": "a mapping of keys", "mapping": "a mapping of keys",
    "model": "a mapping of keys", "model_attributes": "a mapping of keys", "dataclass": "a mapping of keys",
    "list": "a list", "tuple": "a list", "set": "a list", "frozen_set": "a list", "iterable": "a list", "deque": "a list",
    "date": "a date", "datetime": "a date with a time", "time": "a time", "time_delta": "a length of time", "url": "a URL",
    "uuid": "a UUID",
}  # fmt: skip
"""Types in words, by the beginning of pydantic's names of faults."""


def _number(bound: object) -> str:
    """The text of a bound: 1 for 1.0, which pydantic makes of the bound of a float."""
    return str(int(bound)) if isinstance(bound, float) and bound.is_integer() and abs(bound) < 1e15 else str(bound)


def _entries(number: object) -> str:
    return "1 entry" if number == 1 else f"{number} entries"


def _and_has(context: Mapping[str, object]) -> str:
    """Return how many entries there are; pydantic stops counting those of a mapping where they are too many."""
    return "" if context["actual_length"] is None else f", and has {context['actual_length']}"


def _characters(number: object) -> str:
    return "1 character" if number == 1 else f"{number} characters"


_TEXTS: Mapping[str, Callable[[Mapping[str, object]], str]] = {
    "missing": lambda _: "is missing",
    "extra_forbidden": lambda _: "is no known key",
    "greater_than": lambda context: f"must be above {_number(context['gt'])}",
    "greater_than_equal": lambda context: f"must be at least {_number(context['ge'])}",
    "less_than": lambda context: f"must be below {_number(context['lt'])}",
    "less_than_equal": lambda context: f"must be at most {_number(context['le'])}",
    "multiple_of": lambda context: f"must be a multiple of {_number(context['multiple_of'])}",
    "finite_number": lambda _: "must be a finite number",
    "too_short": lambda context: f"must have at least {_entries(context['min_length'])}, and has {context['actual_length']}",
    "too_long": lambda context: f"must have at most {_entries(context['max_length'])}{_and_has(context)}",
    "string_too_short": lambda context: f"must have at least {_characters(context['min_length'])}",
    "string_too_long": lambda context: f"must have at most {_characters(context['max_length'])}",
    "string_unicode": lambda _: "must be a text in UTF-8",
    "none_required": lambda _: "must be left empty",
    "literal_error": lambda context: f"must be {context['expected']}",
    "enum": lambda context: f"must be {context['expected']}",
    "invalid_key": lambda _: "must be a key that is a text",
    "json_invalid": lambda _: "is no JSON",
}
