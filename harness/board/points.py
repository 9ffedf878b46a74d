"""Points of a search: a value for each searched setting of an entry of `methods`."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from harness.board.grids import SettingPath, point_name, short_names, value_text
from harness.board.schema import ComponentEntry, MethodConfig
from harness.board.search_settings import Point
from harness.errors import UserError

_TRAINING = "training."
IMAGES = "training.images"


def setting_path(dotted: str) -> SettingPath:
    """Return where in an entry of `methods` a searched setting stands: `training.images`, or of the method `optimizer.lr`."""
    if dotted.startswith(_TRAINING):
        return ("training", *dotted.removeprefix(_TRAINING).split("."))
    return ("method", *dotted.split("."))


def trial_name(entry: str, point: Point, images: int | None = None) -> str:
    """Return the name of a trial, as a grid would call the row: `ddo[beta=0.1,lr=0.0001]`.

    Args:
        images: of the trial's budget, where it is a smaller one than the search's.
    """
    with_images = point if images is None else {**point, IMAGES: images}
    paths = {setting_path(dotted): value for dotted, value in with_images.items()}
    short = short_names(paths)
    return point_name(entry, {short[path]: value_text(value) or "" for path, value in paths.items()})


def point_text(point: Point) -> str:
    """Return a point as messages show it: `beta 0.1, optimizer.lr 0.0001`."""
    return ", ".join(f"{dotted} {value_text(value)}" for dotted, value in point.items())


def given(entry: MethodConfig, dotted: str) -> bool:
    """Return whether an entry of `methods` itself has this setting."""
    value: object = _settings(entry, "")
    for key in setting_path(dotted):
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return True


def with_point(name: str, entry: MethodConfig, point: Point) -> MethodConfig:
    """Return an entry of `methods` that has these settings, as if they were written by hand.

    Args:
        name: name of the entry, which is the method's where the entry names none.
    Raises: UserError for a path that leads into something that is no mapping.
    """
    settings = _settings(entry, name)
    for dotted, value in point.items():
        *keys, last = setting_path(dotted)
        inner: dict[str, object] = settings
        for key in keys:
            nested = inner.setdefault(key, {})
            if isinstance(nested, str):  # a component in its short form, by its name alone
                nested = inner[key] = {"name": nested}
            if not isinstance(nested, dict):
                raise UserError(f"{dotted}: {key} is {nested!r} there, and has no settings")
            inner = nested
        inner[last] = value
    method = ComponentEntry.model_validate(settings["method"])
    return entry.model_copy(update={"method": method, "training": settings["training"]})


def without_point(name: str, entry: MethodConfig, point: Point) -> dict[str, object]:
    """Return all settings of an entry but the searched ones: what a search holds fixed."""
    settings = _settings(entry, name)
    for dotted in point:
        *keys, last = setting_path(dotted)
        inner: object = settings
        for key in keys:
            inner = inner.get(key) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner.pop(last, None)
    return settings


def _settings(entry: MethodConfig, name: str) -> dict[str, object]:
    """Return a copy of all settings of an entry, by the key that they stand under."""
    method = {"name": name} if entry.method is None else {"name": entry.method.name, **entry.method.settings}
    return deepcopy({"method": method, "training": entry.training})
