"""Grids of methods: one entry of `methods` whose settings have several values makes a row for each combination. Picklable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

SettingPath = tuple[str, ...]
"""The keys that lead to a setting of an entry of `methods`: `("method", "optimizer", "lr")`, `("training", "images")`."""
LONGEST_NAME = 120
"""Characters of the longest name of a method: names of files hold it."""
_TEXT = re.compile(r"[A-Za-z0-9_.+-]+")


@dataclass(frozen=True)
class MethodGrid:
    """An entry of `methods` with several values of some settings.

    Args:
        name, label: of the entry.
        values: the values of each parameter as texts, by the parameter's short name, in the order of the file.
        methods: the names of the methods that the grid makes, `ddo[alpha=1,beta=0.1]`, the last parameter changing first.
    """

    name: str
    label: str
    values: Mapping[str, tuple[str, ...]]
    methods: tuple[str, ...]


def point_name(entry: str, point: Mapping[str, str]) -> str:
    """Return the name of a point of a grid: `ddo[alpha=1,beta=0.1]`."""
    return f"{entry}[{','.join(f'{parameter}={value}' for parameter, value in point.items())}]"


def split_point(name: str) -> tuple[str, dict[str, str]]:
    """Return the entry and the parameters of a point's name; a name that is none has no parameters."""
    entry, bracket, inside = name.partition("[")
    if not (bracket and inside.endswith("]")):
        return name, {}
    pairs = (pair.partition("=") for pair in inside[:-1].split(","))
    return entry, {parameter.strip(): value.strip() for parameter, _, value in pairs}


def value_text(value: object) -> str | None:
    """Return a value as names have it; None for a value that no name can hold."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value:.12g}"
        case str() if _TEXT.fullmatch(value):
            return value
    return None


def short_names(paths: Mapping[SettingPath, object]) -> dict[SettingPath, str]:
    """Return the last key of each path; the whole path, dotted, where it is no word or two grids of the entry share it."""
    last = [str(path[-1]) for path in paths]
    return {
        path: key if last.count(key) == 1 and not key.isdigit() else ".".join(map(str, path[1:]))
        for path, key in zip(paths, last, strict=True)
    }


def matches(name: str, pattern: str) -> bool:
    """Return whether a filter's value means this name.

    `ddo` means every point of the grid `ddo`, `ddo[beta=0.1]` those with this beta, whatever else they have. `*` and `?` stand
    for any characters, and numbers are compared as numbers.
    """
    entry, point = split_point(name)
    wanted, asked = split_point(pattern)
    return fnmatchcase(entry, wanted) and all(
        parameter in point and _is_value(point[parameter], value) for parameter, value in asked.items()
    )


def _is_value(value: str, wanted: str) -> bool:
    try:
        return float(value) == float(wanted)
    except ValueError:
        return fnmatchcase(value, wanted)
