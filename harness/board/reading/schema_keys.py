"""The keys that a settings class allows at a place in a file."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel

from harness.board.reading.yaml_file import Location


def fields_at(schema: object, path: Location) -> list[str]:
    """Return the keys that the mapping at the end of `path` may have; none where `path` leads to no settings class."""
    model = _settings_class(annotation_at(schema, path))
    return list(model.model_fields) if model else []


def annotation_at(schema: object, path: Location) -> object:
    """Return the annotation of the value at the end of `path`; None where `path` leads nowhere."""
    for part in path:
        schema = _step(schema, part)
    return schema


def plain_types(annotation: object) -> set[object]:
    """Return the types of single values in an annotation, and the rules about them: int and float for `list[int] | float`."""
    if annotation is None:
        return set()
    arguments = [argument for argument in get_args(annotation) if argument not in (Ellipsis, type(None))]
    return set().union(*map(plain_types, arguments)) if arguments else {annotation}


def _step(schema: object, part: str | int) -> object:
    """Return the annotation of the value under a key or at a list item; None where there is none."""
    model = _settings_class(schema)
    if model is not None:
        field = model.model_fields.get(str(part))
        return None if field is None else field.annotation
    arguments = get_args(schema)
    if _is_choice(schema):
        steps = (_step(argument, part) for argument in arguments)
        # A part that no branch has is pydantic's name of a branch.
        return next((step for step in steps if step is not None), schema)
    if get_origin(schema) is dict:
        return arguments[1]
    return arguments[0] if arguments else None


def _settings_class(schema: object) -> type[BaseModel] | None:
    """Return the settings class in an annotation such as `Annotated[X, …] | None`."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return schema
    if not _is_choice(schema):
        return None
    models = (_settings_class(argument) for argument in get_args(schema))
    return next((model for model in models if model is not None), None)


def _is_choice(schema: object) -> bool:
    """Whether an annotation is a union, or `Annotated`, whose first argument is the type."""
    return get_origin(schema) in (Union, UnionType, Annotated)
