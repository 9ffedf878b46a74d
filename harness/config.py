"""Typed settings. Unknown keys are errors, values cannot be changed, and ranges are checked once, when the object is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from pydantic.main import IncEx


class Config(BaseModel):
    """Base of every settings class, of the core's and of plugins'.

    Give each field a type, a range and a description: `Field(1.0, gt=0, description="…, in …")`.
    """

    # YAML reads `.inf` and `.nan` as numbers, and JSON, the form of keys and records, has no such numbers.
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=(), allow_inf_nan=False
    )

    ADDED_LATER: ClassVar[frozenset[str]] = frozenset()
    """Names of fields that were added after some records had been made. The key of a record leaves such a field out while the
    field has its default value, so that the keys of the older records stay valid."""

    @property
    def identity(self) -> dict[str, object]:
        """The settings in the form that keys and records hold: JSON values by name.

        A settings class may override this property to leave out a setting that changes no result, such as the path of a file
        whose hash is another setting.
        """
        return self.model_dump(mode="json", exclude=_at_default(self))

    @property
    def unused(self) -> frozenset[str]:
        """Names of settings that change nothing beside the others, such as those of an algorithm that is not chosen.

        A dotted name is that of a setting within a setting: `optimizer.lr`. Pages leave these settings out, and neither a grid
        nor a search may try values of them.
        """
        return frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        # YAML reads `yes` and `on` as true, and pydantic would take true as the number 1.
        if _holds_truth(value, inside=True):
            kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
            is_number = kinds & {int, float} and not kinds & {bool, object, Any}
            if is_number and _holds_truth(value, inside=not _has_settings(kinds)):
                raise ValueError("expected a number")
        return value


def unused_paths(config: Config) -> Iterator[tuple[str, ...]]:
    """Yield the path of each setting that changes nothing beside the others, in settings within settings too."""
    for name in sorted(config.unused):
        yield tuple(name.split("."))
    for name, value in config:
        if isinstance(value, Config):
            yield from ((name, *path) for path in unused_paths(value))


def without_unused(config: Config, settings: Mapping[str, object]) -> dict[str, object]:
    """Return settings in a JSON form, such as `identity`, without those that change nothing beside the others.

    Args:
        settings: a form of `config` in which it may lack some settings.
    """
    left = dict(settings)
    for path in unused_paths(config):
        left = _without(left, path)
    return left


def value_at(settings: Mapping[str, object], path: tuple[str, ...]) -> object:
    """Return the value at a path of settings in a JSON form; None where there is none."""
    value: object = settings
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _without(settings: Mapping[str, object], path: tuple[str, ...]) -> dict[str, object]:
    head, *inner = path
    nested = settings.get(head)
    if not inner:
        return {name: value for name, value in settings.items() if name != head}
    return {**settings, head: _without(nested, tuple(inner))} if isinstance(nested, Mapping) else dict(settings)


def _at_default(config: Config) -> dict[str, IncEx | bool]:
    """Return the fields of ADDED_LATER that have their default, in the settings and in settings within them, as pydantic excludes
    them: true for a field that is left out, a mapping for one of whose fields some are."""
    excluded: dict[str, IncEx | bool] = {}
    for name, field in type(config).model_fields.items():
        value: object = getattr(config, name)
        if name in config.ADDED_LATER and value == field.get_default(call_default_factory=True):
            excluded[name] = True
        elif isinstance(value, Config) and (inner := _at_default(value)):
            excluded[name] = inner
    return excluded


class NoConfig(Config):
    """For components without settings."""


def _kinds(annotation: object) -> set[object]:
    """Return the types of single values in an annotation: int and float for `list[int] | float | None`."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        fields = [each for each in arguments[1:] if isinstance(each, FieldInfo)]
        # A strict number refuses true by itself, and says at which place.
        is_strict = any(getattr(constraint, "strict", False) for field in fields for constraint in field.metadata)
        arguments = (object,) if is_strict else arguments[:1]
    inner = [argument for argument in arguments if argument not in (Ellipsis, type(None))]
    return set().union(*map(_kinds, inner)) if inner else {annotation}


def _has_settings(kinds: set[object]) -> bool:
    """Return whether a field may hold settings of a class of their own, which checks its own values."""
    return any(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in kinds)


def _holds_truth(value: object, *, inside: bool) -> bool:
    """Return whether a value is true or false, or has such a value in a list. inside: whether to look into mappings too."""
    if isinstance(value, list | tuple):
        return any(_holds_truth(item, inside=inside) for item in value)
    if inside and isinstance(value, Mapping):
        return any(_holds_truth(item, inside=inside) for item in value.values())
    return isinstance(value, bool)
