"""Entries of `methods` with grids: `beta: {grid: [0.1, 1]}` in the settings of a method or of its training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import product
from math import prod

from harness.board.grids import LONGEST_NAME, MethodGrid, SettingPath, point_name, short_names, value_text
from harness.board.reading.reader import BoardReader
from harness.board.schema import BoardConfig, ComponentEntry, MethodConfig
from harness.errors import UserError

GRID = "grid"
MOST_METHODS = 1000
"""The largest number of methods of one grid: more is a slip of the keyboard."""


def expanded(reader: BoardReader, board: BoardConfig) -> tuple[BoardConfig, tuple[MethodGrid, ...]]:
    """Return the board with an entry for each point of each grid, and the grids.

    A control that names a grid names all of its points. Raises: Faults for grids that are none.
    """
    methods: dict[str, MethodConfig] = {}
    grids: dict[str, MethodGrid] = {}
    for name, entry in board.methods.items():
        points = _points(reader, name, entry)
        if points is None:
            methods[name] = entry
            continue
        grid, entries = points
        grids[name] = grid
        methods |= entries
    reader.faults.raise_any()
    control = [method for name in board.control for method in (grids[name].methods if name in grids else (name,))]
    changes = {"methods": methods, **({"control": control} if control != board.control else {})}
    return board.model_copy(update=changes), tuple(grids.values())


def has_grid(entry: MethodConfig) -> bool:
    """Return whether a setting of an entry of `methods` has a grid."""
    return next(_grids(_settings(entry)), None) is not None


def first_point(settings: object) -> object:
    """Return settings as they are written with the first value of each grid, so that the other settings can be checked."""
    if not isinstance(settings, dict):
        return settings
    if _is_grid(settings):
        values = settings[GRID]
        return values[0] if isinstance(values, list) and values else None
    return {key: first_point(value) for key, value in settings.items()}


def _points(reader: BoardReader, name: str, entry: MethodConfig) -> tuple[MethodGrid, dict[str, MethodConfig]] | None:
    """Return the grid of an entry and its points; None for an entry without a grid, and after a fault."""
    found = dict(_grids(_settings(entry)))
    texts: dict[SettingPath, tuple[str, ...]] = {}
    for path, values in found.items():
        with reader.faults.catching(("methods", name, *path)):
            texts[path] = _texts(values, f"{reader.source.where(('methods', name, *path))}: grid of {'.'.join(path[1:])}")
    if not found or len(texts) < len(found):
        return None
    number = prod(map(len, texts.values()))
    if number > MOST_METHODS:
        reader.add_fault(("methods", name), f"the grid has {number:,} points: {MOST_METHODS:,} at most")
        return None
    entries = dict(_entries(name, entry, found, texts))
    if (longest := max(map(len, entries))) > LONGEST_NAME:
        text = f"names such as {next(iter(entries))!r} have up to {longest} characters: {LONGEST_NAME} at most"
        reader.add_fault(("methods", name), text)
        return None
    short = short_names(found)
    return MethodGrid(name, entry.label or name, {short[path]: texts[path] for path in found}, tuple(entries)), entries


def _entries(
    name: str, entry: MethodConfig, found: Mapping[SettingPath, Sequence[object]], texts: Mapping[SettingPath, Sequence[str]]
) -> Iterator[tuple[str, MethodConfig]]:
    """Yield the name and the entry of each point."""
    short, note = short_names(found), entry.note
    for places in product(*(range(len(values)) for values in found.values())):
        chosen = list(zip(found, places, strict=True))
        point = {short[path]: texts[path][place] for path, place in chosen}
        settings = _settings(entry)
        for path, place in chosen:
            _put(settings, path, found[path][place])
        label = f"{entry.label or name}, {', '.join(f'{parameter} {value}' for parameter, value in point.items())}"
        # An entry without `method` is of the method of its own name, which is not the point's. One note stands for all points.
        method = ComponentEntry(name=name) if entry.method is None else ComponentEntry.model_validate(settings["method"])
        changes: dict[str, object] = {"label": label, "method": method, "training": settings["training"], "note": note}
        note = None
        yield point_name(name, point), entry.model_copy(update=changes)


def _settings(entry: MethodConfig) -> dict[str, dict[str, object]]:
    """Return a copy of all settings that may hold grids, by the key of the entry that they stand under."""
    method = {} if entry.method is None else {"name": entry.method.name, **entry.method.settings}
    return deepcopy({"method": method, "training": entry.training})


def _put(settings: dict[str, dict[str, object]], path: SettingPath, value: object) -> None:
    """Put a value at a path of settings, where a grid stands."""
    inner: dict[str, object] = settings[path[0]]
    for key in path[1:-1]:
        nested = inner[key]
        assert isinstance(nested, dict), "a grid was found there"
        inner = nested
    inner[path[-1]] = value


def _grids(settings: Mapping[str, object], path: SettingPath = ()) -> Iterator[tuple[SettingPath, list[object]]]:
    """Yield the path of each grid in settings, and its values; a value that is no list is its only one."""
    for key, value in settings.items():
        if isinstance(value, dict) and _is_grid(value):
            yield (*path, key), value[GRID] if isinstance(value[GRID], list) else [value[GRID]]
        elif isinstance(value, dict):
            yield from _grids(value, (*path, key))


def _is_grid(value: dict[str, object]) -> bool:
    return set(value) == {GRID}


def _texts(values: Sequence[object], where: str) -> tuple[str, ...]:
    """Return the values of a grid as names have them. Raises: UserError unless they are two or more different plain values."""
    if len(values) < 2:
        raise UserError(f"{where}: give a list of two values or more")
    texts = [value_text(value) for value in values]
    for value, text in zip(values, texts, strict=True):
        if text is None:
            raise UserError(f"{where}: {value!r} cannot be part of a name; give numbers, true, false or plain words")
        if texts.count(text) > 1:
            raise UserError(f"{where}: the value {text} stands there twice")
    return tuple(text for text in texts if text is not None)
