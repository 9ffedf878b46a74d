"""Typed settings. Unknown keys are errors, values cannot be changed, and ranges are checked once, when the object is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

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
        """Names of settings that change nothing beside the others, such as those of an algorithm that is not chosen. Pages leave
        them out."""
        return frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        # YAML reads `yes` and `on` as true, and pydantic would take true as the number 1.
        values = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(item, bool) for item in values):
            kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
            if kinds and kinds <= {int, float}:
                raise ValueError("expected a number")
        return value


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
    arguments = [argument for argument in get_args(annotation) if argument not in (Ellipsis, type(None))]
    return set().union(*map(_kinds, arguments)) if arguments else {annotation}
